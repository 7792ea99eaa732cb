# PeftBench::torch, made by hand: find_package(Torch) demands a CUDA toolkit wherever the wheel is a CUDA one.
# This file is also installed, so that it serves outside plugin authors.
#
# PEFTBENCH_TORCH_DIR may be an unpacked libtorch zip, the `torch` folder of a wheel, or a folder that holds
# such a `torch` folder (site-packages); CPU or CUDA.

if(TARGET PeftBench::torch)
  return()
endif()

if(NOT PEFTBENCH_TORCH_DIR AND DEFINED ENV{PEFTBENCH_TORCH_DIR})
  set(PEFTBENCH_TORCH_DIR "$ENV{PEFTBENCH_TORCH_DIR}" CACHE PATH "Folder of LibTorch" FORCE)
elseif(NOT PEFTBENCH_TORCH_DIR AND PEFTBENCH_TORCH_HINT)  # set by the installed PeftBenchConfig.cmake
  set(PEFTBENCH_TORCH_DIR "${PEFTBENCH_TORCH_HINT}" CACHE PATH "Folder of LibTorch" FORCE)
elseif(NOT PEFTBENCH_TORCH_DIR)
  set(PEFTBENCH_TORCH_DIR "${PROJECT_SOURCE_DIR}/.deps/torch" CACHE PATH "Folder of LibTorch" FORCE)
endif()

set(PEFTBENCH_TORCH_ROOT "")
set(_tried "")
foreach(_dir IN ITEMS "${PEFTBENCH_TORCH_DIR}" "${PEFTBENCH_TORCH_DIR}/torch" "${PEFTBENCH_TORCH_DIR}/libtorch")
  if(EXISTS "${_dir}/lib/libtorch_cpu.so" AND EXISTS "${_dir}/include/ATen/ATen.h")
    get_filename_component(PEFTBENCH_TORCH_ROOT "${_dir}" REALPATH)
    break()
  endif()
  string(APPEND _tried "\n    ${_dir}")
endforeach()
if(NOT PEFTBENCH_TORCH_ROOT)
  message(FATAL_ERROR
    "LibTorch was not found.\n"
    "  looked for: lib/libtorch_cpu.so and include/ATen/ATen.h in${_tried}\n"
    "  expected:   PEFTBENCH_TORCH_DIR is an unpacked libtorch zip, a wheel's `torch` folder, or the folder that holds it\n"
    "  fix:        run ./peft-bench once, which puts LibTorch into .deps/torch,\n"
    "              or configure with -DPEFTBENCH_TORCH_DIR=<folder>\n")
endif()

set(_lib "${PEFTBENCH_TORCH_ROOT}/lib")
set(PEFTBENCH_TORCH_VERSION "")
foreach(_header IN ITEMS torch/headeronly/version.h torch/version.h torch/csrc/api/include/torch/version.h)
  if(EXISTS "${PEFTBENCH_TORCH_ROOT}/include/${_header}")
    file(STRINGS "${PEFTBENCH_TORCH_ROOT}/include/${_header}" _lines REGEX "define TORCH_VERSION_(MAJOR|MINOR|PATCH) +[0-9]+")
    if(_lines MATCHES "MAJOR +([0-9]+).*MINOR +([0-9]+).*PATCH +([0-9]+)")
      set(PEFTBENCH_TORCH_VERSION "${CMAKE_MATCH_1}.${CMAKE_MATCH_2}.${CMAKE_MATCH_3}")
      break()
    endif()
  endif()
endforeach()
if(PEFTBENCH_TORCH_VERSION VERSION_LESS 2.11)
  message(FATAL_ERROR
    "LibTorch is too old.\n"
    "  found:      version '${PEFTBENCH_TORCH_VERSION}' in ${PEFTBENCH_TORCH_ROOT}\n"
    "  expected:   2.11 or newer\n"
    "  fix:        set PEFTBENCH_TORCH_DIR to a newer one, or unset it and run ./peft-bench\n")
endif()

# The distribution's libraries use the newer ABI of std::string; both in one program cannot be linked.
file(STRINGS "${_lib}/libc10.so" _cxx11 REGEX "__cxx11" LIMIT_COUNT 1)
if(NOT _cxx11)
  message(FATAL_ERROR
    "LibTorch has the old C++ ABI (_GLIBCXX_USE_CXX11_ABI=0).\n"
    "  found:      ${_lib}/libc10.so without __cxx11 symbols\n"
    "  expected:   the cxx11 ABI, as in all wheels since 2.7\n"
    "  fix:        set PEFTBENCH_TORCH_DIR to a cxx11 build\n")
endif()

# What the loader would not find. A CUDA build needs libraries that may be absent on this machine.
function(_peftbench_unresolved file out)
  execute_process(COMMAND ldd "${file}" OUTPUT_VARIABLE text ERROR_QUIET)
  string(REGEX MATCHALL "[^ \t\n]+ => not found" missing "${text}")
  list(TRANSFORM missing REPLACE " => not found" "")
  list(REMOVE_DUPLICATES missing)
  set(${out} "${missing}" PARENT_SCOPE)
endfunction()

_peftbench_unresolved("${_lib}/libtorch_cpu.so" _missing)
if(_missing)
  list(JOIN _missing ", " _missing)
  message(FATAL_ERROR
    "LibTorch needs libraries that this machine lacks.\n"
    "  found:      ${_lib}/libtorch_cpu.so needs ${_missing}\n"
    "  expected:   all of them beside it, or where its own search path points (a CUDA wheel: ../../nvidia/*/lib)\n"
    "  fix:        install the wheel together with its dependencies (pip install torch) and set\n"
    "              PEFTBENCH_TORCH_DIR to that site-packages folder, or take a CPU build\n")
endif()

set(_libs c10 torch_cpu)
set(PEFTBENCH_TORCH_CUDA OFF)
if(EXISTS "${_lib}/libtorch_cuda.so")
  _peftbench_unresolved("${_lib}/libtorch_cuda.so" _missing)
  if(_missing)
    list(JOIN _missing ", " _missing)
    message(STATUS "LibTorch's CUDA half is left out: it needs ${_missing}")
  else()
    set(PEFTBENCH_TORCH_CUDA ON)
    list(APPEND _libs c10_cuda torch_cuda)
  endif()
endif()
if(PEFTBENCH_TORCH_CUDA OR NOT EXISTS "${_lib}/libtorch_cuda.so")
  list(APPEND _libs torch)  # an empty library that needs all the others
endif()

foreach(_name IN LISTS _libs)
  add_library(PeftBench::lib_${_name} SHARED IMPORTED GLOBAL)
  set_target_properties(PeftBench::lib_${_name} PROPERTIES
    IMPORTED_LOCATION "${_lib}/lib${_name}.so" IMPORTED_SONAME "lib${_name}.so")
endforeach()

add_library(PeftBench::torch INTERFACE IMPORTED GLOBAL)
# -idirafter, not -isystem: the wheel ships its own fmt and protobuf headers, which would shadow the
# distribution's and not match its libraries. These are system headers either way: no warnings from them.
target_compile_options(PeftBench::torch INTERFACE
  "SHELL:-idirafter \"${PEFTBENCH_TORCH_ROOT}/include\""
  "SHELL:-idirafter \"${PEFTBENCH_TORCH_ROOT}/include/torch/csrc/api/include\"")
target_compile_features(PeftBench::torch INTERFACE cxx_std_20)
# Kernels register themselves when their library is loaded, so the libraries stay although nothing names a
# symbol of theirs; and RPATH (not RUNPATH) reaches the libraries that these need in turn.
target_link_options(PeftBench::torch INTERFACE LINKER:--no-as-needed LINKER:--disable-new-dtags)
list(TRANSFORM _libs PREPEND PeftBench::lib_)
target_link_libraries(PeftBench::torch INTERFACE ${_libs})

# at::parallel_for is a template: compiled without OpenMP, it silently runs on one thread. A process should have one
# OpenMP runtime, so that LibTorch's own is linked where it ships one.
find_package(OpenMP REQUIRED COMPONENTS CXX)
target_compile_options(PeftBench::torch INTERFACE ${OpenMP_CXX_FLAGS})
file(GLOB _openmp "${_lib}/libgomp*.so*" "${_lib}/libomp*.so*" "${_lib}/libiomp5*.so*")
if(_openmp)
  list(GET _openmp 0 _openmp)
  target_link_libraries(PeftBench::torch INTERFACE "${_openmp}")
else()
  target_link_libraries(PeftBench::torch INTERFACE OpenMP::OpenMP_CXX)
endif()

message(STATUS "LibTorch ${PEFTBENCH_TORCH_VERSION} (CUDA: ${PEFTBENCH_TORCH_CUDA}) in ${PEFTBENCH_TORCH_ROOT}")
unset(_lib)
unset(_libs)
unset(_openmp)
unset(_tried)
