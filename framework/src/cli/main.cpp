#include <dlfcn.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>

// OpenMP's threads wait for each other by spinning, by default for milliseconds. Where another program has one of the
// cores, each wait then costs a time slice, and a run takes up to four times as long. libgomp reads its environment
// when it is loaded, so that has to be after this.
static void wait_briefly() {
  if (!std::getenv("OMP_WAIT_POLICY")) ::setenv("GOMP_SPINCOUNT", "2000", /*replace=*/0);
}

int main(int argc, char** argv) {
  wait_briefly();
  // Global, as if it were linked: plugins find the host's classes in it. Lazy: binding all of LibTorch's functions
  // takes a tenth of a second.
  void* library = ::dlopen(PEFTBENCH_LIBRARY, RTLD_LAZY | RTLD_GLOBAL);
  using CommandLine = int(int, char**);
  auto* command_line = library ? reinterpret_cast<CommandLine*>(::dlsym(library, "peftbench_command_line")) : nullptr;
  if (command_line) {
    const int status = command_line(argc, argv);
    std::fflush(nullptr);
    ::_exit(status);  // LibTorch's destructors of globals take a tenth of a second, and give back what the kernel takes
  }
  std::fprintf(stderr, "peft-bench: %s\n  fix:      build or install peft-bench again\n", ::dlerror());
  return 1;
}
