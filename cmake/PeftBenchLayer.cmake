# A layer is a folder of framework/src.
#
# peftbench_layer(NAME SUMMARY "…" SOURCES a.cpp… [READERS b.cpp…] [TESTS t.cpp…] [LINK pkgs…] [DEPENDS layers…] [NO_TORCH])
#   SOURCES  relative to framework/src/NAME; they become the OBJECT library peftbench_NAME
#   READERS  more of them: those that parse files from outside, which tests/hostile compiles with sanitizers
#   TESTS    relative to tests/unit/NAME; they become the GoogleTest binary test_NAME
#   LINK     targets of packages: fmt::fmt, yaml-cpp, PeftBench::sentencepiece, …
#   SUMMARY  what it holds, for docs/architecture.md
#   DEPENDS  the layers whose headers it includes: the one place where that is said. tests/structure/layers.py checks
#            the includes, and makes the table and the picture of docs/architecture.md from it
#   NO_TORCH the layer builds and runs without LibTorch (results and report: a table can be rebuilt anywhere)

# Parsing ATen takes ten seconds a file, so all files that use it share one precompiled header. It is made with our
# warnings on: some of them (-Wpedantic) change a macro, and GCC then refuses the header.
add_library(peftbench_pch OBJECT "${CMAKE_CURRENT_LIST_DIR}/pch.cpp")
target_link_libraries(peftbench_pch PRIVATE PeftBench::torch peftbench_warnings)
target_precompile_headers(peftbench_pch PRIVATE "${CMAKE_CURRENT_LIST_DIR}/pch.h")

function(peftbench_layer name)
  cmake_parse_arguments(PARSE_ARGV 1 L "NO_TORCH" "SUMMARY" "SOURCES;READERS;TESTS;LINK;DEPENDS")
  if(L_UNPARSED_ARGUMENTS OR NOT (L_SOURCES OR L_READERS))
    message(FATAL_ERROR "peftbench_layer(${name}): SOURCES or READERS is needed; not understood: '${L_UNPARSED_ARGUMENTS}'")
  endif()
  set(target peftbench_${name})
  add_library(${target} OBJECT ${L_SOURCES} ${L_READERS})
  # Readers apart, so that tests/hostile can take their objects out.
  set_target_properties(${target} PROPERTIES UNITY_BUILD_MODE GROUP)
  foreach(kind IN ITEMS SOURCES READERS)
    string(TOLOWER ${kind} group)
    set(n 0)
    foreach(source IN LISTS L_${kind})
      math(EXPR batch "${n} / ${CMAKE_UNITY_BUILD_BATCH_SIZE}")
      set_source_files_properties(${source} PROPERTIES UNITY_GROUP ${group}_${batch})
      math(EXPR n "${n} + 1")
    endforeach()
  endforeach()
  target_include_directories(${target} PUBLIC
    "${PROJECT_SOURCE_DIR}/framework/include" "${PROJECT_SOURCE_DIR}/framework/src" "${PROJECT_BINARY_DIR}/include")
  target_compile_definitions(${target} PRIVATE PEFTBENCH_BUILDING)
  target_link_libraries(${target} PRIVATE peftbench_warnings PUBLIC ${L_LINK})
  add_dependencies(${target} peftbench_abi_stamp)
  if(NOT L_NO_TORCH)
    target_link_libraries(${target} PUBLIC PeftBench::torch)
    target_precompile_headers(${target} REUSE_FROM peftbench_pch)
  endif()
  list(TRANSFORM L_TESTS PREPEND "${PROJECT_SOURCE_DIR}/tests/unit/${name}/")
  set_property(GLOBAL APPEND PROPERTY PEFTBENCH_LAYERS ${name})
  set_property(GLOBAL PROPERTY PEFTBENCH_LAYER_DEPENDS_${name} ${L_DEPENDS})
  set_property(GLOBAL PROPERTY PEFTBENCH_LAYER_READERS_${name} ${L_READERS})
  set_property(GLOBAL PROPERTY PEFTBENCH_LAYER_TESTS_${name} ${L_TESTS})
endfunction()

# All layers that the given ones need, themselves included.
function(peftbench_closure out)
  get_property(known GLOBAL PROPERTY PEFTBENCH_LAYERS)
  set(open ${ARGN})
  set(done "")
  while(open)
    list(POP_FRONT open layer)
    if(NOT layer IN_LIST known)
      message(WARNING "layer '${layer}' is named in DEPENDS or LAYERS, but framework/src/${layer} declares none")
    elseif(NOT layer IN_LIST done)
      list(APPEND done ${layer})
      get_property(needs GLOBAL PROPERTY PEFTBENCH_LAYER_DEPENDS_${layer})
      list(APPEND open ${needs})
    endif()
  endwhile()
  set(${out} ${done} PARENT_SCOPE)
endfunction()

# Puts the objects of these layers, and of all they need, into a program.
function(peftbench_use_layers target)
  peftbench_closure(layers ${ARGN})
  list(TRANSFORM layers PREPEND peftbench_ OUTPUT_VARIABLE objects)
  target_link_libraries(${target} PRIVATE ${objects})
  foreach(layer IN LISTS layers)
    get_target_property(pch peftbench_${layer} PRECOMPILE_HEADERS_REUSE_FROM)
    if(pch)
      target_precompile_headers(${target} REUSE_FROM peftbench_pch)
      break()
    endif()
  endforeach()
endfunction()

# Called once, when all layers are known, so that their order does not matter.
function(peftbench_finish_layers)
  # Layers whose tests ./run-tests --sanitize runs: they read files from outside, map them, or call plugins.
  set(sanitized core formats text data backbone plugin)
  get_property(layers GLOBAL PROPERTY PEFTBENCH_LAYERS)
  foreach(layer IN LISTS layers)
    get_property(needs GLOBAL PROPERTY PEFTBENCH_LAYER_DEPENDS_${layer})
    get_target_property(torch peftbench_${layer} PRECOMPILE_HEADERS_REUSE_FROM)
    foreach(need IN LISTS needs)
      if(NOT need IN_LIST layers)
        continue()
      endif()
      get_target_property(need_torch peftbench_${need} PRECOMPILE_HEADERS_REUSE_FROM)
      if(need_torch AND NOT torch)
        message(FATAL_ERROR "layer '${layer}' is NO_TORCH but depends on '${need}', which needs LibTorch")
      endif()
      target_link_libraries(peftbench_${layer} PUBLIC peftbench_${need})  # its include folders; not its objects
    endforeach()
    get_property(tests GLOBAL PROPERTY PEFTBENCH_LAYER_TESTS_${layer})
    if(tests)
      set(labels unit)
      if(layer IN_LIST sanitized)
        list(APPEND labels sanitize)
      endif()
      peftbench_test_binary(${layer} SOURCES ${tests} LAYERS ${layer} LABELS ${labels})
    endif()
  endforeach()
endfunction()
