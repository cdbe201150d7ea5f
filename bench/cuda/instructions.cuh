// What the kernels ask of the hardware beyond plain arithmetic, one instruction at a time: instruction_compare.cc runs
// these kernels on the device and in the emulator and holds the results together, bit by bit.
#pragma once

#include "cuda/gpu.h"

namespace cosface::cuda {

constexpr int product_rows = 16, product_columns = 8, product_depth = 16;

// d = c + a b for each block, through shared memory, ldmatrix and mma as the kernels do it.
struct compare_products_params {
  const uint16_t* a;  // [blocks, 16, 16]
  const uint16_t* b;  // [blocks, 16, 8]
  const float* c;     // [blocks, 16, 8]
  float* d;           // [blocks, 16, 8]
  bool bf16;          // else f16
};

struct compare_conversions_params {
  const float* values;  // [2 count]
  uint32_t* half;       // [count], of two neighbours each
  uint32_t* bf16;       // [count]
  float* exp2;          // [2 count]
  int count;
};

struct product_tiles {
  alignas(16) uint16_t a[product_rows][product_depth];
  alignas(16) uint16_t b[product_depth][product_columns];
};

}  // namespace cosface::cuda

extern "C" __global__ void __launch_bounds__(32) cosface_compare_products(cosface::cuda::compare_products_params p) {
  using namespace cosface::cuda;
  auto& tiles = gpu::shared<product_tiles>();
  const int lane = static_cast<int>(threadIdx.x);
  const auto block = static_cast<int64_t>(blockIdx.x);
  for (int i = lane; i < product_rows * product_depth; i += 32)
    tiles.a[i / product_depth][i % product_depth] = p.a[block * product_rows * product_depth + i];
  for (int i = lane; i < product_depth * product_columns; i += 32)
    tiles.b[i / product_columns][i % product_columns] = p.b[block * product_depth * product_columns + i];
  WARP_BARRIER();
  uint32_t a[4], b[4];
  // Matrices 0 .. 3 of a: rows 0-7 and 8-15 of columns 0-7, then of columns 8-15. Of b both depths, twice over.
  LOAD_MATRICES(a, &tiles.a[lane % 16][lane / 16 * 8]);
  LOAD_MATRICES_TRANSPOSED(b, &tiles.b[lane % 16][0]);
  // Lane l has rows l / 4 and l / 4 + 8, columns 2 (l % 4) and the next (PTX ISA, mma.m16n8k16).
  float d[4];
  const int64_t first = (block * product_rows + lane / 4) * product_columns + lane % 4 * 2;
  const int64_t second = first + 8 * product_columns;
  d[0] = p.c[first];
  d[1] = p.c[first + 1];
  d[2] = p.c[second];
  d[3] = p.c[second + 1];
  if (p.bf16)
    MULTIPLY_BF16(d, a, b[0], b[1]);
  else
    MULTIPLY_HALF(d, a, b[0], b[1]);
  p.d[first] = d[0];
  p.d[first + 1] = d[1];
  p.d[second] = d[2];
  p.d[second + 1] = d[3];
}

extern "C" __global__ void __launch_bounds__(128)
    cosface_compare_conversions(cosface::cuda::compare_conversions_params p) {
  using namespace cosface::cuda;
  const int i = static_cast<int>(blockIdx.x * 128 + threadIdx.x);
  if (i >= p.count) return;
  const float first = p.values[2 * i], second = p.values[2 * i + 1];
  p.half[i] = gpu::pack_half2(first, second);
  p.bf16[i] = gpu::pack_bf16x2(first, second);
  p.exp2[2 * i] = gpu::exp2_approximate(first);
  p.exp2[2 * i + 1] = gpu::exp2_approximate(second);
}
