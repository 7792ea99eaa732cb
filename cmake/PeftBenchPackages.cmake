# Everything else comes from the distribution (Debian 12 names: tools/setup.sh). Nothing is downloaded.

set(PEFTBENCH_INSTALLS "./peft-bench")  # the command that installs what follows

function(peftbench_require package debian)
  find_package(${package} ${ARGN} QUIET)
  if(NOT ${package}_FOUND)
    message(FATAL_ERROR
      "${package} was not found.\n"
      "  expected:   its CMake package\n"
      "  fix:        install the Debian package ${debian}, or run ${PEFTBENCH_INSTALLS} once, which does\n")
  endif()
endfunction()

# GLOBAL: find_package inside a function must leave targets that all directories see.
set(CMAKE_FIND_PACKAGE_TARGETS_GLOBAL ON)
peftbench_require(fmt libfmt-dev)
peftbench_require(yaml-cpp libyaml-cpp-dev)
peftbench_require(nlohmann_json nlohmann-json3-dev)
peftbench_require(CLI11 libcli11-dev)
peftbench_require(Boost libboost-dev 1.74)
peftbench_require(ZLIB zlib1g-dev)
peftbench_require(SQLite3 libsqlite3-dev)
find_package(Threads REQUIRED)

# A library that brings no CMake package: PeftBench::NAME.
function(peftbench_require_library name header debian)
  if(TARGET PeftBench::${name})
    return()
  endif()
  string(TOUPPER ${name} prefix)
  find_path(${prefix}_INCLUDE_DIR ${header})
  find_library(${prefix}_LIBRARY ${name})
  if(NOT ${prefix}_INCLUDE_DIR OR NOT ${prefix}_LIBRARY)
    message(FATAL_ERROR
      "${name} was not found.\n"
      "  expected:   ${header} and lib${name}.so\n"
      "  fix:        install the Debian package ${debian}, or run ${PEFTBENCH_INSTALLS} once, which does\n")
  endif()
  add_library(PeftBench::${name} UNKNOWN IMPORTED GLOBAL)
  set_target_properties(PeftBench::${name} PROPERTIES
    IMPORTED_LOCATION "${${prefix}_LIBRARY}" INTERFACE_INCLUDE_DIRECTORIES "${${prefix}_INCLUDE_DIR}")
endfunction()

peftbench_require_library(sentencepiece sentencepiece_processor.h libsentencepiece-dev)
peftbench_require_library(sentencepiece_train sentencepiece_trainer.h libsentencepiece-dev)
peftbench_require_library(utf8proc utf8proc.h libutf8proc-dev)
peftbench_require_library(re2 re2/re2.h libre2-dev)
peftbench_require_library(hwy hwy/highway.h libhwy-dev)

# Boost.DLL as a header-only library: with std::filesystem nothing of Boost is linked.
add_library(peftbench_boost_dll INTERFACE)
add_library(PeftBench::boost_dll ALIAS peftbench_boost_dll)
target_compile_definitions(peftbench_boost_dll INTERFACE BOOST_DLL_USE_STD_FS)
target_link_libraries(peftbench_boost_dll INTERFACE Boost::headers ${CMAKE_DL_LIBS})

set(PEFTBENCH_INSTALLS "./run-tests")
if(PEFTBENCH_BUILD_TESTS)
  peftbench_require(GTest libgmock-dev)
endif()
set(PEFTBENCH_INSTALLS "tools/setup.sh benchmarks")
if(PEFTBENCH_BUILD_BENCHMARKS)
  peftbench_require(benchmark libbenchmark-dev)
endif()
