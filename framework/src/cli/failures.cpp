#include "cli/failures.h"

#include "cli/console.h"
#include "devices/out_of_memory.h"

#include <peftbench/error.h>

#include <c10/util/Exception.h>

#include <csignal>
#include <exception>
#include <filesystem>
#include <new>
#include <stdexcept>
#include <string>

namespace peftbench::cli {
namespace {

int report(const std::string& message, int status) {
  print_error(message);
  return status;
}

int report(const Problem& problem) { return report(Error(problem).what(), 1); }

int report_memory() {
  return report({"not enough memory",
                 {},
                 {},
                 "use a smaller backbone or train.batch_size, smaller sizes of the method, backbone.precision=bfloat16 "
                 "or backbone.quantization=nf4"});
}

// What LibTorch says, without the trace that it appends.
int report_torch(const c10::Error& error) {
  std::string text = error.what_without_backtrace();
  for (const char* trace : {"\nException raised from", "\nframe #"}) text = text.substr(0, text.find(trace));
  if (is_out_of_memory(error)) return report_memory();
  if (text.find("deterministic implementation") != std::string::npos)
    return report({"an operator has no deterministic algorithm on this device",
                   text,
                   {},
                   "set device.deterministic=false: results then differ in their last digits from run to run"});
  return report("LibTorch: " + text, 1);
}

// A library's own words say what, but not that it is no fault of the user's.
int report_fault(const std::string& words) {
  return report({"internal error in peft-bench", words, {}, "report it with the command that you used"});
}

int report_files(const std::filesystem::filesystem_error& error) {
  const std::string place =
      error.path2().empty() ? error.path1().string() : error.path1().string() + " and " + error.path2().string();
  return report({"a file or folder cannot be used",
                 place + ": " + error.code().message(),
                 {},
                 "check that it exists, that it is readable and writable, and that the disk has free space"});
}

}  // namespace

int tell_failure() try { throw; } catch (const ReaderGone&) {
  return 128 + SIGPIPE;
} catch (const Error& error) {
  return report(error.what(), error.exit_code());
} catch (const c10::Error& error) {
  return report_torch(error);
} catch (const std::bad_alloc&) {
  return report_memory();
} catch (const std::length_error&) {  // more than any memory holds
  return report_memory();
} catch (const std::filesystem::filesystem_error& error) {
  return report_files(error);
} catch (const std::exception& error) {
  return report_fault(error.what());
} catch (...) {
  return report_fault("an exception that is not a std::exception");
}

}  // namespace peftbench::cli
