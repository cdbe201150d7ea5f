// Launches a test's own kernel on the emulator, without a driver.
#pragma once

#include <vector>

#include "cuda/emulator/execution.h"
#include "cuda/gpu.h"

namespace cosface::cuda::emulator::test {

struct launch_size {
  index_3 grid, block;
  size_t shared_bytes = 0;
};

inline launch_size threads(unsigned count, size_t shared_bytes = 0) { return {{}, {count, 1, 1}, shared_bytes}; }

template <auto kernel, class params>
void launch_kernel(const launch_size& size, const params& p, const schedule& schedule) {
  run({"test kernel", size.grid, size.block, size.shared_bytes,
       [](const void* parameters) { kernel(*static_cast<const params*>(parameters)); }, &p},
      schedule);
}

inline const std::vector<schedule> all_schedules = {{order::forward, 0}, {order::reverse, 0}, {order::random, 1}};

}  // namespace cosface::cuda::emulator::test
