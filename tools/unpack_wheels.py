"""The parts of Python wheels that a C++ program uses; for tools/setup.sh.

unpack_wheels.py unpack WHEELS SITE   of all wheels in one folder, these parts into another. Of torch: lib, include
                                      and version.py; of pyarrow: include, libarrow and libparquet. Of NVIDIA's:
                                      all, since LibTorch looks in nvidia/*/lib beside it.
unpack_wheels.py needs WHEELS cpu|all prints what torch's wheel requires of CUDA, as pip's arguments: for its CPU
                                      half alone (the runtime and CUPTI, a few MB), or for all of it.
"""

import pathlib
import re
import sys
import zipfile

PARTS = ("torch/lib/", "torch/include/", "nvidia/", "pyarrow/include/", "pyarrow/libarrow.so.",
         "pyarrow/libparquet.so.")


def unpack(wheels, site):
    for wheel in wheels.glob("*.whl"):
        with zipfile.ZipFile(wheel) as archive:  # reading a member checks its CRC
            names = archive.namelist()
            for name in names:
                if name.startswith(PARTS) and "libtorch_python" not in name:
                    archive.extract(name, site)
            if "torch/version.py" in names:  # last: a folder that has it is whole
                archive.extract("torch/version.py", site)


def needs(wheels, half):
    for wheel in wheels.glob("torch-*.whl"):
        with zipfile.ZipFile(wheel) as archive:
            metadata = next(name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
            lines = archive.read(metadata).decode().split("\n\n")[0].splitlines()
        for line in lines:
            match = re.fullmatch(r"Requires-Dist: ((?:cuda-toolkit|nvidia-)[\w.-]*)(\[.*?\])?([^;\s]*)(?:;.*)?",
                                 line.strip())
            if match is None:
                continue
            name, extras, version = match[1], (match[2] or "").strip("[]").split(","), match[3]
            if half == "cpu":
                extras = [extra for extra in extras if extra in ("cudart", "cupti")]
                if not extras and not name.startswith(("nvidia-cuda-runtime", "nvidia-cuda-cupti")):
                    continue
            extras = ",".join(filter(None, extras))
            print(f"{name}[{extras}]{version}" if extras else name + version)


command, folder, argument = sys.argv[1:]
if command == "unpack":
    unpack(pathlib.Path(folder), pathlib.Path(argument))
else:
    needs(pathlib.Path(folder), argument)
