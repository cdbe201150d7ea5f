// The tiles that the tensor-core kernels are built for. Host and device.
//
// A block keeps `rows` resident rows of D halves in shared memory and streams `columns` rows of the other matrix past
// them, two tiles deep. Wider tiles read less shared memory a flop, so of the tiles of one D the first that fits is
// taken: 64 x 64 at D = 512 needs the 227 KB of Hopper and Blackwell, 64 x 32 the 163 KB of A100, 32 x 32 the 99 KB of
// consumer parts.
#pragma once

#include <cstdint>

// X(D, rows, columns), for one D the widest first.
#define COSFACE_TENSOR_TILES(X) \
  X(64, 64, 64)                 \
  X(128, 64, 64)                \
  X(256, 64, 64)                \
  X(256, 64, 32)                \
  X(512, 64, 64)                \
  X(512, 64, 32)                \
  X(512, 32, 32)

namespace cosface::cuda {

constexpr int tensor_threads = 256;
// Beside the three tiles: what a pass knows of its rows.
constexpr int64_t tensor_row_bytes = 28;

constexpr int64_t tensor_shared_bytes(int64_t dim, int64_t rows, int64_t columns) {
  const int64_t more = rows > columns ? rows : columns;
  return 2 * (rows * dim + 2 * columns * dim + rows * columns) + more * tensor_row_bytes;
}

}  // namespace cosface::cuda
