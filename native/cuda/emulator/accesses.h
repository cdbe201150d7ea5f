// Reads and writes of memory that the emulator makes on behalf of the running thread.
//
// accesses.cc is compiled with the sanitizers of the kernels, so that they see these as the thread's own.
#pragma once

#include <cstddef>

namespace cosface::cuda::emulator {

void read_as_thread(const void* from, size_t bytes);
void fill_as_thread(void* to, unsigned char value, size_t bytes);
void copy_as_thread(void* to, const void* from, size_t bytes);

}  // namespace cosface::cuda::emulator
