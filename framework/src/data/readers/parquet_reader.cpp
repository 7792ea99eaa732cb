#include "data/readers/parquet_reader.h"

#include "core/utf8.h"
#include "data/readers/nested_reader.h"

#include <arrow/api.h>
#include <arrow/io/file.h>
#include <parquet/arrow/reader.h>
#include <parquet/properties.h>

#include <charconv>
#include <cmath>

namespace peftbench::data {

namespace {

constexpr std::int64_t rows_at_once = 1024;

class ParquetReader final : public NestedReader {
 public:
  ParquetReader(fs::path file, std::vector<std::string> records, RowLimits limits);

 private:
  bool next_document(Json& document) override;
  void check(const arrow::Status& status) const;
  Json json_of(const arrow::Array& array, std::int64_t i) const;
  Json list_of(const arrow::Array& items, std::int64_t first, std::int64_t count) const;
  static Json text_of(std::string_view text);
  Json number_of(double value, std::string_view shortest) const;
  std::unique_ptr<parquet::arrow::FileReader> reader_;
  std::shared_ptr<arrow::RecordBatchReader> batches_;
  std::shared_ptr<arrow::RecordBatch> batch_;
  std::int64_t next_ = 0;  // row of the batch
};

void ParquetReader::check(const arrow::Status& status) const {
  if (status.ok()) return;
  std::string text = status.message();
  text.resize(std::min(text.find('\n'), text.size()));
  if (text.find("Invalid UTF8") != std::string::npos) {  // in a column that says that it holds text
    fail("the parquet file contains text that is not UTF-8", text, "UTF-8 in text columns",
         "write the file again with UTF-8 text, or with a binary column");
  }
  fail("the parquet file cannot be read", text, "a complete parquet file",
       "download the file again: it may be truncated");
}

ParquetReader::ParquetReader(fs::path file, std::vector<std::string> records, RowLimits limits)
    : NestedReader(std::move(file), std::move(records), limits) {
  try {
    auto in = arrow::io::ReadableFile::Open(file_.string());
    check(in.status());
    parquet::ArrowReaderProperties properties(/*use_threads=*/false);
    properties.set_batch_size(rows_at_once);
    properties.set_pre_buffer(false);  // would hold all columns of a row group, packed
    parquet::arrow::FileReaderBuilder builder;
    check(builder.Open(*in));
    check(builder.properties(properties)->Build(&reader_));
    auto batches = reader_->GetRecordBatchReader();
    check(batches.status());
    batches_ = std::move(*batches);
  } catch (const parquet::ParquetException& error) {
    check(arrow::Status::IOError(error.what()));
  }
}

// Bytes that are no text (images, sound) are refused where a task asks for them, so they need not be kept: their
// number stands for them.
NestedReader::Json ParquetReader::text_of(std::string_view text) {
  if (!invalid_utf8(text)) return std::string(text);
  return Json::binary({}, text.size());
}

// A float's digits are those that tell it from other floats: 3.8, not 3.799999952316284.
NestedReader::Json ParquetReader::number_of(double value, std::string_view shortest) const {
  if (!std::isfinite(value)) return std::isnan(value) ? Json() : Json(value > 0 ? "inf" : "-inf");
  std::from_chars(shortest.data(), shortest.data() + shortest.size(), value);
  return value;
}

NestedReader::Json ParquetReader::list_of(const arrow::Array& items, std::int64_t first, std::int64_t count) const {
  Json result = Json::array();
  for (std::int64_t i = 0; i < count; ++i) result.push_back(json_of(items, first + i));
  return result;
}

NestedReader::Json ParquetReader::json_of(const arrow::Array& array, std::int64_t i) const {
  using arrow::Type;
  if (array.IsNull(i)) return {};
  const auto as = [&]<class T>() -> const T& { return static_cast<const T&>(array); };
  const auto shortest = [&](auto value) {
    char digits[64];
    const auto end = std::to_chars(digits, digits + sizeof digits, value).ptr;
    return number_of(static_cast<double>(value), std::string_view(digits, static_cast<std::size_t>(end - digits)));
  };
  const auto text = [&](std::string_view value) {
    if (value.size() > limits_.bytes) too_long("a value", "use a text column");
    return text_of(value);
  };
  const auto list = [&](const auto& lists) {
    return list_of(*lists.values(), lists.value_offset(i), lists.value_length(i));
  };
  switch (array.type_id()) {
    case Type::BOOL:
      return as.template operator()<arrow::BooleanArray>().Value(i);
    case Type::INT8:
      return as.template operator()<arrow::Int8Array>().Value(i);
    case Type::INT16:
      return as.template operator()<arrow::Int16Array>().Value(i);
    case Type::INT32:
      return as.template operator()<arrow::Int32Array>().Value(i);
    case Type::INT64:
      return as.template operator()<arrow::Int64Array>().Value(i);
    case Type::UINT8:
      return as.template operator()<arrow::UInt8Array>().Value(i);
    case Type::UINT16:
      return as.template operator()<arrow::UInt16Array>().Value(i);
    case Type::UINT32:
      return as.template operator()<arrow::UInt32Array>().Value(i);
    case Type::UINT64:
      return as.template operator()<arrow::UInt64Array>().Value(i);
    case Type::FLOAT:
      return shortest(as.template operator()<arrow::FloatArray>().Value(i));
    case Type::DOUBLE:
      return shortest(as.template operator()<arrow::DoubleArray>().Value(i));
    case Type::STRING:
    case Type::BINARY:
      return text(as.template operator()<arrow::BinaryArray>().GetView(i));
    case Type::LARGE_STRING:
    case Type::LARGE_BINARY:
      return text(as.template operator()<arrow::LargeBinaryArray>().GetView(i));
    case Type::LIST:
    case Type::MAP:  // a list of key and value
      return list(as.template operator()<arrow::ListArray>());
    case Type::LARGE_LIST:
      return list(as.template operator()<arrow::LargeListArray>());
    case Type::FIXED_SIZE_LIST:
      return list(as.template operator()<arrow::FixedSizeListArray>());
    case Type::DICTIONARY: {
      const auto& words = as.template operator()<arrow::DictionaryArray>();
      return json_of(*words.dictionary(), words.GetValueIndex(i));
    }
    case Type::STRUCT: {
      const auto& fields = as.template operator()<arrow::StructArray>();
      Json result = Json::object();
      for (int f = 0; f < fields.num_fields(); ++f)
        result[fields.struct_type()->field(f)->name()] = json_of(*fields.field(f), i);
      return result;
    }
    default: {  // dates, decimals and what else has a text of its own
      const auto scalar = array.GetScalar(i);
      check(scalar.status());
      return text_of((*scalar)->ToString());
    }
  }
}

bool ParquetReader::next_document(Json& document) {
  while (batch_ == nullptr || next_ == batch_->num_rows()) {
    try {
      check(batches_->ReadNext(&batch_));
    } catch (const parquet::ParquetException& error) {
      check(arrow::Status::IOError(error.what()));
    }
    if (batch_ == nullptr) return false;
    check(batch_->ValidateFull());
    next_ = 0;
  }
  ++line_;
  document = Json::object();
  for (int column = 0; column < batch_->num_columns(); ++column)
    document[batch_->column_name(column)] = json_of(*batch_->column(column), next_);
  ++next_;
  return true;
}

}  // namespace

std::unique_ptr<RowReader> open_parquet(const fs::path& file, std::vector<std::string> records, RowLimits limits) {
  return std::make_unique<ParquetReader>(file, std::move(records), limits);
}

bool reads_parquet() { return true; }

}  // namespace peftbench::data
