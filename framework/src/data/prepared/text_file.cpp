#include "data/prepared/text_file.h"

#include "formats/bytes.h"

#include <stdexcept>
#include <string_view>
#include <utility>

namespace peftbench::data {

namespace {

void write(const StoredText& text, const std::vector<std::string>& sources, ByteWriter& out) {
  const TextExample& example = text.example;
  out.clear();
  out.number(example.input.size());
  for (const Piece& piece : example.input) {
    out.number(static_cast<std::uint64_t>(piece.kind));
    out.text(piece.name);
    out.text(piece.text);
    out.whole(piece.slots);
    out.number(piece.tokens.size());
    for (const std::int64_t id : piece.tokens) out.whole(id);
  }
  out.text(example.target);
  out.whole(example.label);
  out.number(example.references.size());
  for (const std::string& reference : example.references) out.text(reference);
  out.text(example.group);
  std::size_t source = 0;  // 0: of none
  for (std::size_t i = 0; i < sources.size() && source == 0; ++i)
    if (text.origin.starts_with(sources[i] + ":")) source = i + 1;
  out.number(source);
  out.text(std::string_view(text.origin).substr(source == 0 ? 0 : sources[source - 1].size()));
}

StoredText read(std::string_view bytes, const std::vector<std::string>& sources) {
  ByteReader in(bytes);
  StoredText text;
  TextExample& example = text.example;
  example.input.resize(in.count());
  for (Piece& piece : example.input) {
    const std::uint64_t kind = in.number();
    if (kind > static_cast<std::uint64_t>(Piece::Kind::tokens)) throw std::out_of_range("an invalid kind of piece");
    piece.kind = static_cast<Piece::Kind>(kind);
    piece.name = in.text();
    piece.text = in.text();
    piece.slots = in.whole();
    piece.tokens.resize(in.count());
    for (std::int64_t& id : piece.tokens) id = in.whole();
  }
  example.target = in.text();
  example.label = static_cast<int>(in.whole());
  example.references.resize(in.count());
  for (std::string& reference : example.references) reference = in.text();
  example.group = in.text();
  const std::uint64_t source = in.number();
  if (source > sources.size()) throw std::out_of_range("an invalid source");
  if (source > 0) text.origin = sources[source - 1];
  text.origin += in.text();
  return text;
}

class FileReader final : public TextStore::Reader {
 public:
  FileReader(std::shared_ptr<const RecordFile> file, const std::vector<std::string>& sources)
      : file_(std::move(file)), cursor_(*file_), sources_(sources) {}
  StoredText at(std::size_t index) override {
    const std::string_view bytes = cursor_.at(index);
    try {
      return read(bytes, sources_);
    } catch (const std::out_of_range& error) {
      file_->fail(error.what());
    }
  }

 private:
  std::shared_ptr<const RecordFile> file_;
  RecordFile::Cursor cursor_;
  const std::vector<std::string>& sources_;
};

}  // namespace

TextsInFile::TextsInFile(std::shared_ptr<const RecordFile> file, std::vector<std::string> sources)
    : file_(std::move(file)), sources_(std::move(sources)) {}

std::unique_ptr<TextStore::Reader> TextsInFile::reader() const { return std::make_unique<FileReader>(file_, sources_); }

std::size_t memory_of(const StoredText& text) {
  std::size_t bytes = sizeof text + text.origin.size() + text.example.target.size() + text.example.group.size();
  for (const Piece& piece : text.example.input)
    bytes += sizeof piece + piece.name.size() + piece.text.size() + piece.tokens.size() * sizeof(std::int64_t);
  for (const std::string& reference : text.example.references) bytes += sizeof reference + reference.size();
  return bytes;
}

std::shared_ptr<const TextStore> store_texts(const std::function<bool(StoredText&)>& next,
                                             const std::vector<std::string>& sources, const StoredRecords& records,
                                             std::int64_t memory_bytes) {
  std::vector<StoredText> texts;
  std::size_t bytes = 0;
  StoredText text;
  while (bytes <= static_cast<std::size_t>(memory_bytes)) {
    if (!next(text)) return std::make_shared<const TextsInMemory>(std::move(texts));
    bytes += memory_of(text);
    texts.push_back(std::exchange(text, {}));
  }
  const auto file = records.write([&](RecordWriter& writer) {
    ByteWriter record;
    const auto add = [&](const StoredText& one) {
      write(one, sources, record);
      writer.add(record.bytes());
    };
    for (const StoredText& one : texts) add(one);
    std::vector<StoredText>().swap(texts);
    while (next(text)) add(text);
    writer.finish({});
  });
  return std::make_shared<const TextsInFile>(file, sources);
}

}  // namespace peftbench::data
