# PeftBench::arrow, for reading parquet: Apache Arrow's C++ library, from pip's pyarrow wheel (Debian 12 has none), or
# from the system where it has one. Without it the program is built all the same and says so when it meets parquet.
#
# PEFTBENCH_PARQUET: auto (where Arrow is found), on (an error where it is not), off.
# PEFTBENCH_ARROW_DIR: the `pyarrow` folder of a wheel, or a folder that holds it; .deps/pyarrow unless set.

set(PEFTBENCH_PARQUET auto CACHE STRING "Read parquet through Apache Arrow: auto, on or off")
set_property(CACHE PEFTBENCH_PARQUET PROPERTY STRINGS auto on off)
set(PEFTBENCH_ARROW_DIR "" CACHE PATH "The folder `pyarrow` of a wheel; empty: .deps/pyarrow, then the system's Arrow")
file(STRINGS "${CMAKE_CURRENT_LIST_DIR}/arrow.version" PEFTBENCH_ARROW_WANTED LIMIT_COUNT 1)

string(TOLOWER "${PEFTBENCH_PARQUET}" _wish)
set(PEFTBENCH_ARROW_ROOT "")
set(_why "")
if(NOT _wish MATCHES "^(off|false|no|0)$" AND NOT TARGET PeftBench::arrow)
  if(PEFTBENCH_ARROW_DIR)
    set(_dirs "${PEFTBENCH_ARROW_DIR}" "${PEFTBENCH_ARROW_DIR}/pyarrow")
  else()
    set(_dirs "${PROJECT_SOURCE_DIR}/.deps/pyarrow")
  endif()
  foreach(_dir IN LISTS _dirs)
    # Without its development links a wheel has names like libarrow.so.2600 alone.
    file(GLOB _arrow "${_dir}/libarrow.so.*")
    file(GLOB _parquet "${_dir}/libparquet.so.*")
    if(_arrow AND _parquet AND EXISTS "${_dir}/include/parquet/arrow/reader.h")
      list(GET _arrow 0 _arrow)
      list(GET _parquet 0 _parquet)
      get_filename_component(PEFTBENCH_ARROW_ROOT "${_dir}" REALPATH)
      break()
    endif()
    string(APPEND _why "\n    ${_dir}")
  endforeach()
  if(PEFTBENCH_ARROW_ROOT)
    file(STRINGS "${PEFTBENCH_ARROW_ROOT}/include/arrow/util/config.h" _line REGEX "define ARROW_VERSION_STRING")
    string(REGEX MATCH "[0-9][0-9.]*" PEFTBENCH_ARROW_VERSION "${_line}")
    add_library(PeftBench::arrow INTERFACE IMPORTED GLOBAL)
    foreach(_name IN ITEMS arrow parquet)
      add_library(PeftBench::lib_${_name} SHARED IMPORTED GLOBAL)
      get_filename_component(_soname "${_${_name}}" NAME)
      set_target_properties(PeftBench::lib_${_name} PROPERTIES
        IMPORTED_LOCATION "${_${_name}}" IMPORTED_SONAME "${_soname}")
    endforeach()
    target_link_libraries(PeftBench::arrow INTERFACE PeftBench::lib_parquet PeftBench::lib_arrow)
    # Only the file that reads parquet sees these headers, so that nothing else is built anew with or without Arrow.
    set(PEFTBENCH_ARROW_OPTIONS -isystem "${PEFTBENCH_ARROW_ROOT}/include")
  elseif(NOT PEFTBENCH_ARROW_DIR)
    find_package(Arrow 21 QUIET)
    find_package(Parquet 21 QUIET)
    if(TARGET Arrow::arrow_shared AND TARGET Parquet::parquet_shared)
      set(PEFTBENCH_ARROW_VERSION "${ARROW_VERSION}")
      add_library(PeftBench::arrow INTERFACE IMPORTED GLOBAL)
      target_link_libraries(PeftBench::arrow INTERFACE Parquet::parquet_shared Arrow::arrow_shared)
      get_target_property(_dirs Arrow::arrow_shared INTERFACE_INCLUDE_DIRECTORIES)
      set(PEFTBENCH_ARROW_OPTIONS "")
      foreach(_dir IN LISTS _dirs)
        if(_dir AND NOT _dir STREQUAL "/usr/include")
          list(APPEND PEFTBENCH_ARROW_OPTIONS -isystem "${_dir}")
        endif()
      endforeach()
    else()
      string(APPEND _why "\n    the system's CMake packages Arrow and Parquet, 21 or newer")
    endif()
  endif()
endif()

if(TARGET PeftBench::arrow)
  message(STATUS "Apache Arrow ${PEFTBENCH_ARROW_VERSION}: parquet is read")
elseif(_wish MATCHES "^(on|true|yes|1)$")
  message(FATAL_ERROR
    "Apache Arrow was not found, and PEFTBENCH_PARQUET is on.\n"
    "  looked for: libarrow.so.*, libparquet.so.* and include/parquet/arrow/reader.h in${_why}\n"
    "  fix:        pip install pyarrow==${PEFTBENCH_ARROW_WANTED} --target FOLDER and -DPEFTBENCH_ARROW_DIR=FOLDER/pyarrow,\n"
    "              or PEFTBENCH_PARQUET=on ./peft-bench, which gets it, or -DPEFTBENCH_PARQUET=off\n")
else()
  message(STATUS "Parquet is not read: PEFTBENCH_PARQUET=${PEFTBENCH_PARQUET}, no Apache Arrow")
endif()
unset(_wish)
unset(_why)
