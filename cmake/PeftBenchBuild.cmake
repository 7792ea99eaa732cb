# Flags that every target of this build shares. They are directory-wide, and the same for libraries,
# programs and tests, because GCC accepts a precompiled header only where the flags are equal.

set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_CXX_VISIBILITY_PRESET hidden)
set(CMAKE_VISIBILITY_INLINES_HIDDEN ON)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
set(CMAKE_CXX_FLAGS_RELEASE "-O2 -DNDEBUG")  # hot kernels raise it per file; -O3 everywhere only costs build time
set(CMAKE_CXX_SCAN_FOR_MODULES OFF)
set(CMAKE_LINK_DEPENDS_NO_SHARED ON)  # a new libpeftbench.so does not relink each plugin

# GCC instantiates the templates of LibTorch's headers anew for each file, precompiled or not: 3 s a file. So six files
# are compiled as one. It hides missing includes, and a changed file takes its five neighbours along: the presets dev
# and tidy do without.
option(PEFTBENCH_UNITY "Compile six files as one: a whole build takes half the time" ON)
set(CMAKE_UNITY_BUILD ${PEFTBENCH_UNITY})
set(CMAKE_UNITY_BUILD_BATCH_SIZE 6)

# -fPIC rather than POSITION_INDEPENDENT_CODE, which gives programs -fPIE: see above.
add_compile_options(-fPIC)

set(CMAKE_RUNTIME_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/bin")
set(CMAKE_LIBRARY_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/lib")
set(CMAKE_BUILD_RPATH_USE_ORIGIN ON)
set(CMAKE_INSTALL_LIBDIR lib CACHE PATH "Libraries, under the prefix")  # as in the build tree
include(GNUInstallDirs)

# Build and install trees have the same shape, so what is installed keeps its RPATH: installing need not edit files,
# for which CMake would pad them with empty entries (the loader reads those as the current folder).
# `own`: where it finds our own library, relative to itself. Further folders of libraries may follow: CMake adds those
# outside of the project by itself, and .deps is inside.
function(peftbench_rpath target own)
  set(folders "$ORIGIN/${own}" "${PEFTBENCH_TORCH_ROOT}/lib" ${ARGN})
  set_target_properties(${target} PROPERTIES BUILD_WITH_INSTALL_RPATH ON INSTALL_RPATH_USE_LINK_PATH ON
    INSTALL_RPATH "${folders}")
endfunction()

if(PEFTBENCH_SANITIZE)
  # The containers of libstdc++ are not annotated for use across an uninstrumented LibTorch; the runtime
  # options that go with it are in PeftBenchTesting.cmake.
  add_compile_options(-fsanitize=${PEFTBENCH_SANITIZE} -fno-omit-frame-pointer -g1 -O1)
  add_link_options(-fsanitize=${PEFTBENCH_SANITIZE})
endif()

find_program(PEFTBENCH_CCACHE ccache)
if(PEFTBENCH_CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  # Without this sloppiness ccache refuses every file that uses a precompiled header; with the base folder,
  # a second clone finds what the first one compiled.
  set(CMAKE_CXX_COMPILER_LAUNCHER "${CMAKE_COMMAND}" -E env
      CCACHE_SLOPPINESS=pch_defines,time_macros "CCACHE_BASEDIR=${PROJECT_SOURCE_DIR}" "${PEFTBENCH_CCACHE}")
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND NOT CMAKE_DISABLE_PRECOMPILE_HEADERS)
    add_compile_options(-fpch-preprocess)
  endif()
endif()

include(CheckLinkerFlag)
foreach(linker IN ITEMS mold lld)
  find_program(PEFTBENCH_LD_${linker} NAMES ld.${linker} ${linker})
  if(PEFTBENCH_LD_${linker})
    check_linker_flag(CXX "-fuse-ld=${linker}" PEFTBENCH_HAS_${linker})
    if(PEFTBENCH_HAS_${linker})
      add_link_options("-fuse-ld=${linker}")
      break()
    endif()
  endif()
endforeach()

# Warnings are for our own code alone; imported headers are system headers.
add_library(peftbench_warnings INTERFACE)
target_compile_options(peftbench_warnings INTERFACE
  -Wall -Wextra -Wshadow=local -Wnon-virtual-dtor -Woverloaded-virtual
  $<$<BOOL:${PEFTBENCH_WERROR}>:-Werror>)
