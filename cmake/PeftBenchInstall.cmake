# What a plugin author outside this tree needs: the library, the public headers, the CMake files; and what users
# need: the program, its plugins, configs and assets.
include(CMakePackageConfigHelpers)
set(_cmake_dir "${CMAKE_INSTALL_LIBDIR}/cmake/PeftBench")

if(TARGET peftbench)
  install(TARGETS peftbench EXPORT PeftBenchTargets
          LIBRARY DESTINATION "${CMAKE_INSTALL_LIBDIR}" INCLUDES DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}")
  install(EXPORT PeftBenchTargets NAMESPACE PeftBench:: DESTINATION "${_cmake_dir}")
endif()
if(TARGET peft-bench-bin)
  install(TARGETS peft-bench-bin RUNTIME DESTINATION "${CMAKE_INSTALL_BINDIR}")
endif()
install(DIRECTORY framework/include/peftbench DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}")
install(FILES "${PROJECT_BINARY_DIR}/include/peftbench/abi_stamp.h" DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}/peftbench")
foreach(_folder IN ITEMS configs assets)
  if(EXISTS "${PROJECT_SOURCE_DIR}/${_folder}")
    install(DIRECTORY ${_folder} DESTINATION "${CMAKE_INSTALL_DATADIR}/peft-bench")
  endif()
endforeach()
# The plot library of `report --format html`, where set-up has fetched it: read at run time.
install(DIRECTORY .deps/plot DESTINATION "${CMAKE_INSTALL_DATADIR}/peft-bench" OPTIONAL)

install(PROGRAMS tools/fetch-data DESTINATION "${CMAKE_INSTALL_DATADIR}/peft-bench/tools")
install(DIRECTORY tools/recipes DESTINATION "${CMAKE_INSTALL_DATADIR}/peft-bench/tools" FILES_MATCHING PATTERN "*.py")

configure_package_config_file("${CMAKE_CURRENT_LIST_DIR}/PeftBenchConfig.cmake.in"
  "${PROJECT_BINARY_DIR}/PeftBenchConfig.cmake" INSTALL_DESTINATION "${_cmake_dir}")
write_basic_package_version_file("${PROJECT_BINARY_DIR}/PeftBenchConfigVersion.cmake" COMPATIBILITY SameMajorVersion)
install(FILES "${PROJECT_BINARY_DIR}/PeftBenchConfig.cmake" "${PROJECT_BINARY_DIR}/PeftBenchConfigVersion.cmake"
              "${CMAKE_CURRENT_LIST_DIR}/PeftBenchTorch.cmake" "${CMAKE_CURRENT_LIST_DIR}/PeftBenchPlugin.cmake"
              "${CMAKE_CURRENT_LIST_DIR}/plugin.map" DESTINATION "${_cmake_dir}")
