# What find_package(attune) reads: attune's own targets, after those they link to.
include(CMakeFindDependencyMacro)
find_dependency(PkgConfig)
pkg_check_modules(openblas REQUIRED IMPORTED_TARGET openblas)
find_dependency(fmt)
find_dependency(Threads)
include(${CMAKE_CURRENT_LIST_DIR}/attune-targets.cmake)
