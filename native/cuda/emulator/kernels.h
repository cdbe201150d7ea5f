// The project's kernels, as the emulated driver finds them.
#pragma once

#include <cstddef>
#include <string_view>

namespace cosface::cuda::emulator {

struct emulated_kernel {
  const char* symbol;
  size_t parameter_bytes;
  void (*run_thread)(const void* parameters);
  void (*clear_padding)(void* parameters);  // what the stack held there could look like a pointer
};

// Null where there is no such kernel.
const emulated_kernel* find_kernel(std::string_view symbol);

}  // namespace cosface::cuda::emulator
