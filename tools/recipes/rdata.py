"""Data sets of R packages: the objects of a lazy-load database (NAME.rdx and NAME.rdb), without R."""
import bz2
import lzma
import struct
import zlib

NULL, GLOBAL_ENVIRONMENT, NAMESPACE, ALTERNATIVE, REFERENCE = 254, 253, 249, 238, 255
SYMBOL, PAIRS, ENVIRONMENT, ATTRIBUTE_PAIRS, CHARACTERS = 1, 2, 4, 239, 9
LOGICAL, INTEGER, REAL, STRING, LIST = 10, 13, 14, 16, 19
MISSING_INTEGER = -2**31


class Object:
    """A vector with attributes; `values` is a Python list."""

    def __init__(self, values):
        self.values, self.attributes = values, {}

    def named(self):
        """A list with names, such as a data frame, as a dict."""
        return dict(zip(self.attributes["names"].values, self.values))

    def words(self):
        """Strings, or the levels of a factor; None where a value is missing."""
        if "levels" not in self.attributes:
            return self.values
        levels = self.attributes["levels"].values
        return [None if value == MISSING_INTEGER else levels[value - 1] for value in self.values]


class Reader:
    """R's serialisation in its portable form (XDR), versions 2 and 3, of what data sets are made of."""

    def __init__(self, data):
        self.data, self.at, self.references = data, 0, []
        if self.take(2) != b"X\n":
            raise ValueError("not R's XDR serialisation")
        version, _, _ = self.integer(), self.integer(), self.integer()
        if version == 3:
            self.take(self.integer())  # the native encoding
        elif version != 2:
            raise ValueError(f"version {version} of R's serialisation")

    def take(self, count):
        if count < 0 or self.at + count > len(self.data):
            raise ValueError("R's serialisation is cut short")
        self.at += count
        return self.data[self.at - count:self.at]

    def array(self, letter, size):
        count = self.integer()
        return list(struct.unpack(f">{count}{letter}", self.take(count * size)))

    def integer(self):
        return struct.unpack(">i", self.take(4))[0]

    def referable(self, value):
        self.references.append(value)
        return value

    def read(self):
        flags = self.integer()
        kind, has_attributes, has_tag = flags & 255, flags & 0x200, flags & 0x400
        if kind in (NULL, GLOBAL_ENVIRONMENT):
            return None
        if kind == REFERENCE:
            return self.references[(flags >> 8 or self.integer()) - 1]
        if kind == SYMBOL:
            return self.referable(self.read())
        if kind == NAMESPACE:
            self.integer()
            return self.referable([self.read() for _ in range(self.integer())])
        if kind == ENVIRONMENT:
            self.integer()
            environment = self.referable(Object([]))
            environment.values = [self.read() for _ in range(4)]
            return environment
        if kind in (PAIRS, ATTRIBUTE_PAIRS):
            return self.pairs(has_attributes, has_tag)
        if kind == ALTERNATIVE:
            return self.alternative()
        if kind == CHARACTERS:
            length = self.integer()
            # Bit 2 of the flags' upper half: Latin-1; else UTF-8 or ASCII.
            return None if length < 0 else self.take(length).decode("latin-1" if flags >> 12 & 4 else "utf-8")
        vector = self.vector(kind)
        if has_attributes:
            vector.attributes = self.read() or {}
        return vector

    def vector(self, kind):
        if kind in (LOGICAL, INTEGER):
            return Object(self.array("i", 4))
        if kind == REAL:
            return Object(self.array("d", 8))
        if kind in (STRING, LIST):
            return Object([self.read() for _ in range(self.integer())])
        raise ValueError(f"an R object of type {kind}")

    def pairs(self, has_attributes, has_tag):
        """A pair list as a dict; without tags the keys are positions. Long ones are chains: no recursion."""
        found = {}
        while True:
            if has_attributes:
                self.read()
            key = self.read() if has_tag else len(found)
            found[key] = self.read()
            flags = self.integer()
            if flags & 255 != PAIRS:
                self.at -= 4
                self.read()  # the end of the list
                return found
            has_attributes, has_tag = flags & 0x200, flags & 0x400

    def alternative(self):
        """A compact form of a vector: what kind of, its state, its attributes."""
        kind = list(self.read().values())[0]
        state, attributes = self.read(), self.read()
        if kind == "compact_intseq":
            count, first, step = (int(value) for value in state.values)
            vector = Object([first + step * index for index in range(count)])
        elif kind.startswith("wrap_"):
            vector = Object(list(state.values())[0].values if isinstance(state, dict) else state.values[0].values)
        else:
            raise ValueError(f"R's compact form {kind}")
        vector.attributes = attributes or {}
        return vector


def decompress(chunk):
    """Four bytes of length, then zlib; or a letter for the other ways before what they made."""
    size, body = struct.unpack(">I", chunk[:4])[0], chunk[4:]
    unpackers = {b"0": bytes, b"2": bz2.decompress,
                 b"Z": lambda part: lzma.decompress(part, lzma.FORMAT_RAW, filters=[{"id": lzma.FILTER_LZMA2}])}
    data = unpackers[body[:1]](body[1:]) if body[:1] in unpackers else zlib.decompress(body)
    if len(data) != size:
        raise ValueError(f"a chunk of {len(data)} bytes that should have {size}")
    return data


def load(index, database, name):
    """The object `name` of the database, whose index (.rdx) says where it lies."""
    entries = Reader(zlib.decompress(index, wbits=47)).read().named()
    offset, length = entries["variables"].named()[name].values
    return Reader(decompress(database[offset:offset + length])).read()
