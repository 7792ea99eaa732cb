// From a task's file to ids, once: `preprocessing TASK.yaml spiece.model FOLDER THREADS memory|cold|warm`.
//   memory  nothing is written: texts and ids stay in memory
//   cold    both go to files in FOLDER, which is emptied first
//   warm    the files of the run before are opened
// Each ends with one pass over all ids. Prints one line of JSON. benchmarks/preprocessing.py runs it beside its peer.
#include "core/clock.h"
#include "data/prepared/encode_list.h"
#include "data/task/load_task.h"

#include <nlohmann/json.hpp>

#include <exception>
#include <iostream>
#include <limits>
#include <string>

int main(int count, char** words) {
  using namespace peftbench::data;  // which sees core and text
  if (count != 6) {
    std::cerr << "preprocessing TASK.yaml spiece.model FOLDER THREADS memory|cold|warm\n";
    return 2;
  }
  try {
    const std::string form = words[5];
    const TaskConfig task = read_task_config(words[1], {});
    const auto tokenizer = Tokenizer::load(words[2]);
    DataStorage storage;
    storage.folder = words[3];
    storage.threads = std::stoi(words[4]);
    storage.keep = form != "memory";
    storage.memory_bytes = storage.keep ? 0 : std::numeric_limits<std::int64_t>::max();
    if (form == "cold") fs::remove_all(storage.folder);
    const Stopwatch watch;
    const TaskData data = load_task(task, storage.folder, storage);
    const double loaded = watch.wall_seconds();
    std::size_t ids = 0, examples = 0;
    for (const TextList* list : {&data.train, &data.validation, &data.test}) {
      const auto encoded =
          encode_list(*list, {*tokenizer, {task.max_input_tokens, task.max_target_tokens}}, {}, storage, task.name);
      for (std::size_t i = 0; i < encoded->size(); ++i) {
        const EncodedExample example = encoded->at(i);
        ids += example.input.size() + example.target.size();
      }
      examples += encoded->size();
    }
    std::cout << nlohmann::json{{"examples", examples},
                                {"ids", ids},
                                {"load_seconds", loaded},
                                {"seconds", watch.wall_seconds()}}
              << "\n";
    return 0;
  } catch (const std::exception& error) {
    std::cerr << error.what() << "\n";
    return 1;
  }
}
