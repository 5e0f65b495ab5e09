# Any system that zig knows, from Linux: NNCORE_ZIG_TARGET says which, and NNCORE_ZIG is a folder with
# the programs c++, ar and ranlib (.ci/zig makes it).
set(target $ENV{NNCORE_ZIG_TARGET})
if(target MATCHES "macos")
  set(CMAKE_SYSTEM_NAME Darwin)
elseif(target MATCHES "windows")
  set(CMAKE_SYSTEM_NAME Windows)
else()
  set(CMAKE_SYSTEM_NAME Linux)
endif()
string(REGEX REPLACE "-.*" "" CMAKE_SYSTEM_PROCESSOR "${target}")
set(CMAKE_CXX_COMPILER $ENV{NNCORE_ZIG}/c++)
set(CMAKE_AR $ENV{NNCORE_ZIG}/ar)
set(CMAKE_RANLIB $ENV{NNCORE_ZIG}/ranlib)
# This machine's libraries are not that system's.
set(CMAKE_FIND_ROOT_PATH_MODE_LIBRARY ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_INCLUDE ONLY)
set(CMAKE_FIND_ROOT_PATH /nowhere)
