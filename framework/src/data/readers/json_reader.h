#pragma once

#include "data/layer.h"
#include "data/readers/nested_reader.h"
#include "data/readers/text_source.h"

namespace peftbench::data {

// A JSON document: a list of records, or an object whose `records` keys lead to one. What is read at a time is an item
// of the outermost list; what stands in the document beside that list is passed over.
class JsonReader final : public NestedReader {
 public:
  JsonReader(fs::path file, std::vector<std::string> records, RowLimits limits);
  static bool is_jsonl(const fs::path& file);  // an object in the first line, and more lines

 private:
  bool next_document(Json& document) override;
  std::string document_place() const override;
  void find_list();
  bool enter(std::vector<std::string>& keys);  // into the object's member that is next in records_; false: none
  int peek();                                  // what is next behind white space; eof at the end
  int take();
  void expect(char c, const std::string& where);
  void pass_value(std::string* text);  // the text of the next value, or nothing of it
  [[noreturn]] void cut_off();
  TextSource in_;
  std::int64_t at_ = 1;    // line of the next byte
  std::int64_t item_ = 0;  // of the list
  bool listed_ = false;    // the documents are items of a list
  bool ended_ = false;
};

}  // namespace peftbench::data
