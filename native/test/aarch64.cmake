# The C++ tests for 64-bit Arm on another processor: cross compiled, run by qemu's user emulation.
#   cmake -S native/test -B build-test/aarch64 -DCMAKE_TOOLCHAIN_FILE=aarch64.cmake
# Debian, Ubuntu: g++-aarch64-linux-gnu qemu-user libgtest-dev
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR aarch64)
set(CMAKE_CXX_COMPILER aarch64-linux-gnu-g++)
set(libraries /usr/aarch64-linux-gnu)
# A processor with nothing beyond the base architecture: no extension may be supposed.
set(CMAKE_CROSSCOMPILING_EMULATOR qemu-aarch64 -L ${libraries} -cpu cortex-a53)
# Of this machine come programs and sources, never libraries or packages.
set(CMAKE_FIND_ROOT_PATH ${libraries})
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
set(CMAKE_FIND_ROOT_PATH_MODE_LIBRARY ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_INCLUDE ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_PACKAGE ONLY)
