# peftbench_add_plugin(NAME source.cpp…)
#
# A method as a library of its own, NAME.so. For authors outside this tree too, after find_package(PeftBench).
# Of all its symbols it exports `peftbench_plugin` alone, so that two plugins never meet in the loader.

set(_PEFTBENCH_PLUGIN_MAP "${CMAKE_CURRENT_LIST_DIR}/plugin.map")

function(peftbench_add_plugin name)
  add_library(${name} MODULE ${ARGN})
  target_link_libraries(${name} PRIVATE PeftBench::peftbench)
  set_target_properties(${name} PROPERTIES
    PREFIX "" SUFFIX ".so" OUTPUT_NAME "${name}"
    CXX_VISIBILITY_PRESET hidden VISIBILITY_INLINES_HIDDEN ON CXX_EXTENSIONS OFF
    LINK_DEPENDS "${_PEFTBENCH_PLUGIN_MAP}")
  target_link_options(${name} PRIVATE "LINKER:--version-script=${_PEFTBENCH_PLUGIN_MAP}")
  if(NOT PEFTBENCH_SANITIZE)  # the sanitizers' own symbols come from the program
    target_link_options(${name} PRIVATE LINKER:-z,defs)
  endif()
  if(TARGET peftbench_warnings)  # inside this tree
    target_link_libraries(${name} PRIVATE peftbench_warnings)
    target_precompile_headers(${name} REUSE_FROM peftbench_pch)
    set_target_properties(${name} PROPERTIES
      LIBRARY_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/lib/peftbench/plugins")
    set_property(GLOBAL APPEND PROPERTY PEFTBENCH_PLUGINS ${name})
    set_property(GLOBAL PROPERTY PEFTBENCH_PLUGIN_SOURCES_${name} ${ARGN})
    peftbench_rpath(${name} ../..)
    if(PEFTBENCH_INSTALL)
      install(TARGETS ${name} LIBRARY DESTINATION "${CMAKE_INSTALL_LIBDIR}/peftbench/plugins")
    endif()
  endif()
endfunction()

# peftbench_add_plugin_test(NAME test.cpp…): the plugin's source and all layers in one GoogleTest binary.
# Outside this tree there are no layers to link, and it does nothing.
function(peftbench_add_plugin_test name)
  if(NOT TARGET peftbench_warnings OR NOT PEFTBENCH_BUILD_TESTS)
    return()
  endif()
  get_property(sources GLOBAL PROPERTY PEFTBENCH_PLUGIN_SOURCES_${name})
  peftbench_test_binary(plugin_${name} SOURCES ${ARGN} ${sources} LAYERS ALL PREFIX plugins.${name}
    LABELS plugins sanitize)
endfunction()
