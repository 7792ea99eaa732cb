# peftbench_test_binary(NAME SOURCES a.cpp… [LAYERS core…|ALL] [LINK pkgs…] [PREFIX p] [LABELS l…] [TIMEOUT s])
#
# Tests with the label `sanitize` are those of ./run-tests --sanitize.
#
# One GoogleTest binary `test_NAME`, its tests known to ctest as PREFIX.Suite.Test (PREFIX: NAME).
# It holds the layers' objects themselves, since libpeftbench.so hides all that is not public. Its symbols
# are exported, so that a plugin that a test loads finds the host's classes in the test, not in a second copy.
# Tests are discovered when ctest runs: what does not build yet does not stop the rest.
function(peftbench_test_binary name)
  if(NOT PEFTBENCH_BUILD_TESTS)
    return()
  endif()
  cmake_parse_arguments(PARSE_ARGV 1 T "" "PREFIX;TIMEOUT" "SOURCES;LAYERS;LINK;LABELS")
  if(NOT T_PREFIX)
    set(T_PREFIX ${name})
  endif()
  if(NOT T_TIMEOUT)
    set(T_TIMEOUT 300)
  endif()
  if(T_LAYERS STREQUAL "ALL")
    get_property(T_LAYERS GLOBAL PROPERTY PEFTBENCH_LAYERS)
  endif()
  if(PEFTBENCH_SANITIZE)
    math(EXPR T_TIMEOUT "${T_TIMEOUT} * 3")
  endif()
  if("sanitize" IN_LIST T_LABELS)
    set_property(GLOBAL APPEND PROPERTY PEFTBENCH_SANITIZED_TESTS test_${name})
  endif()
  add_executable(test_${name} ${T_SOURCES})
  target_compile_options(test_${name} PRIVATE $<$<CONFIG:Release>:-O1>)  # their own code runs once
  target_link_libraries(test_${name} PRIVATE peftbench_warnings ${T_LINK} GTest::gmock GTest::gtest_main)
  set_target_properties(test_${name} PROPERTIES ENABLE_EXPORTS ON)
  target_include_directories(test_${name} PRIVATE "${PROJECT_SOURCE_DIR}/tests")  # support/
  # Absolute paths serve tests alone; the product finds its files at run time.
  target_compile_definitions(test_${name} PRIVATE
    PEFTBENCH_TEST_SOURCE_DIR="${PROJECT_SOURCE_DIR}" PEFTBENCH_TEST_BUILD_DIR="${PROJECT_BINARY_DIR}")
  peftbench_use_layers(test_${name} ${T_LAYERS})

  # One thread a test: they are small, and ctest runs several at once.
  set(environment "PEFTBENCH_HOME=${PROJECT_SOURCE_DIR}" OMP_NUM_THREADS=1)
  if(PEFTBENCH_SANITIZE)
    # LibTorch keeps global state on purpose, and a test shares its globals with the plugins it loads. Undefined
    # behaviour ends a test: else it is told in the output of a test that passes.
    list(APPEND environment ASAN_OPTIONS=detect_leaks=0:detect_odr_violation=0
      UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1)
  endif()
  include(GoogleTest)
  gtest_discover_tests(test_${name} DISCOVERY_MODE PRE_TEST DISCOVERY_TIMEOUT 60 TEST_LIST PEFTBENCH_TESTS_${name}
    TEST_PREFIX "${T_PREFIX}." WORKING_DIRECTORY "${CMAKE_CURRENT_BINARY_DIR}")
  # Properties that are lists do not survive gtest_discover_tests, so ctest sets them once it has the tests' names.
  set(properties "${CMAKE_CURRENT_BINARY_DIR}/test_${name}_properties.cmake")
  file(CONFIGURE OUTPUT "${properties}" @ONLY CONTENT [[
if(PEFTBENCH_TESTS_@name@)
  set_tests_properties(${PEFTBENCH_TESTS_@name@} PROPERTIES
    TIMEOUT @T_TIMEOUT@ LABELS "@T_PREFIX@;@T_LABELS@" ENVIRONMENT "@environment@")
endif()
]])
  set_property(DIRECTORY APPEND PROPERTY TEST_INCLUDE_FILES "${properties}")
endfunction()
