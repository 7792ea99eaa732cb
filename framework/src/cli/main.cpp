#include <dlfcn.h>
#include <malloc.h>

#include <cstdio>
#include <cstdlib>

// OpenMP's threads wait for each other by spinning, by default for milliseconds. Where another program has one of the
// cores, each wait then costs a time slice, and a run takes up to four times as long. libgomp reads its environment
// when it is loaded, so that has to be after this.
static void wait_briefly() {
  if (!std::getenv("OMP_WAIT_POLICY")) ::setenv("GOMP_SPINCOUNT", "2000", /*replace=*/0);
}

// What a step of training frees, the next one allocates again. glibc's malloc gives large blocks back to the system
// meanwhile, and then each page of them costs a fault and is cleared anew. (M_TRIM_THRESHOLD −1 is never.)
static void keep_freed_memory() {
  if (std::getenv("GLIBC_TUNABLES")) return;  // the user's own choice
  ::mallopt(M_MMAP_MAX, 0);
  ::mallopt(M_TRIM_THRESHOLD, -1);
  ::mallopt(M_TOP_PAD, 64 << 20);
}

int main(int argc, char** argv) {
  wait_briefly();
  keep_freed_memory();
  // Global, as if it were linked: plugins find the host's classes in it.
  void* library = ::dlopen(PEFTBENCH_LIBRARY, RTLD_NOW | RTLD_GLOBAL);
  using CommandLine = int(int, char**);
  auto* command_line = library ? reinterpret_cast<CommandLine*>(::dlsym(library, "peftbench_command_line")) : nullptr;
  if (command_line) return command_line(argc, argv);
  std::fprintf(stderr, "peft-bench: %s\n  to do:    build or install peft-bench again\n", ::dlerror());
  return 1;
}
