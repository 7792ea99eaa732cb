#pragma once

#include "data/layer.h"
#include "data/readers/rows.h"

#include <nlohmann/json.hpp>

#include <string>
#include <string_view>
#include <vector>

namespace peftbench::data {

// Rows of documents that are JSON objects, or are read as if they were. Without `records` a document is a row; with
// them each item of the innermost list that these keys lead to. A field is looked for in that item first, then in what
// is around it; by its full path from the document's root too, which a leading dot demands. Bytes that are not text are
// an empty binary value with their number as its subtype.
class NestedReader : public RowReader {
 public:
  bool next() final;
  std::string place() const final;

 protected:
  using Json = nlohmann::json;
  NestedReader(fs::path file, std::vector<std::string> records, RowLimits limits)
      : RowReader(std::move(file), limits), records_(std::move(records)) {}

  // The next document into `document`, its place into line_; false after the last.
  virtual bool next_document(Json& document) = 0;
  virtual std::string document_place() const { return RowReader::place(); }
  std::optional<std::string> value(const std::string& name) const final;
  std::size_t items(const std::string& name) const final;
  std::vector<std::string> fields() const final;

  // Parses JSON text that begins on line_. Throws DataError that names the line of the fault.
  Json parse(std::string_view text, const std::string& expected, const std::string& remedy = {});

  std::vector<std::string> records_;
  std::size_t consumed_ = 0;  // keys of records_ that lead to the documents themselves

 private:
  struct Row {
    std::vector<const Json*> scopes;  // outermost first: the document, what the keys lead through, the record
  };
  void collect(const Json& value, Row row);
  const Json* find(const std::string& name) const;
  Json document_;
  std::vector<Row> rows_;  // of this document
  std::size_t row_ = 0;    // one after the current
};

}  // namespace peftbench::data
