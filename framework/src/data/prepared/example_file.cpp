#include "data/prepared/example_file.h"

#include "formats/bytes.h"

#include <stdexcept>
#include <utility>

namespace peftbench::data {

namespace {

void write(const std::vector<int64_t>& values, ByteWriter& out) {
  out.number(values.size());
  for (const int64_t value : values) out.whole(value);
}

void read(ByteReader& in, std::vector<int64_t>& values) {
  values.resize(in.count());
  for (int64_t& value : values) value = in.whole();
}

void write(const EncodedExample& example, ByteWriter& out) {
  out.clear();
  write(example.input, out);
  write(example.slots, out);
  write(example.target, out);
  out.whole(example.label);
  out.number(example.replicas.size());
  for (const EncodedInput& replica : example.replicas) {
    write(replica.ids, out);
    write(replica.slots, out);
  }
}

EncodedExample read(std::string_view bytes) {
  ByteReader in(bytes);
  EncodedExample example;
  read(in, example.input);
  read(in, example.slots);
  read(in, example.target);
  example.label = static_cast<int>(in.whole());
  example.replicas.resize(in.count());
  for (EncodedInput& replica : example.replicas) {
    read(in, replica.ids);
    read(in, replica.slots);
  }
  return example;
}

std::size_t memory_of(const EncodedExample& example) {
  std::size_t ids = example.input.size() + example.slots.size() + example.target.size();
  for (const EncodedInput& replica : example.replicas) ids += replica.ids.size() + replica.slots.size();
  return sizeof example + example.replicas.size() * sizeof(EncodedInput) + ids * sizeof(int64_t);
}

}  // namespace

EncodedExample ExamplesInFile::at(std::size_t index) const {
  RecordFile::Cursor cursor(*file_);
  const std::string_view bytes = cursor.at(index);
  try {
    return read(bytes);
  } catch (const std::out_of_range& error) {
    file_->fail(error.what());
  }
}

std::shared_ptr<const ExampleList> store_examples(const std::function<bool(EncodedExample&)>& next,
                                                  const StoredRecords& records, std::int64_t memory_bytes,
                                                  const std::function<std::string()>& counts) {
  std::vector<EncodedExample> examples;
  std::size_t bytes = 0;
  EncodedExample example;
  while (bytes <= static_cast<std::size_t>(memory_bytes)) {
    if (!next(example)) return std::make_shared<const ExamplesInMemory>(std::move(examples));
    bytes += memory_of(example);
    examples.push_back(std::exchange(example, {}));
  }
  return std::make_shared<const ExamplesInFile>(records.write([&](RecordWriter& writer) {
    ByteWriter record;
    const auto add = [&](const EncodedExample& one) {
      write(one, record);
      writer.add(record.bytes());
    };
    for (const EncodedExample& one : examples) add(one);
    std::vector<EncodedExample>().swap(examples);
    while (next(example)) add(example);
    writer.finish({{"counts", counts()}});
  }));
}

}  // namespace peftbench::data
