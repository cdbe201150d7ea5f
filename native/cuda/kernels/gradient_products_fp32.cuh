// The two gradient products of the general path, over a chunk of classes.
//
//   dx   parts[p][i, d] (+)= sum over the classes c of part p of E[c, i] w^[c, d]
//        grid: padded N / 128 x padded D / 64 x parts. Parts give every multiprocessor work where N and D are small;
//        finish_rows adds them in double. A later chunk adds to the same parts
//   dw   d_weights[c, d] = sum_i E[c, i] (f_i x^[i, d]);  grid: padded count / 128 x padded D / 64, each block of dw
//        written once, by one block
//   in   exponentials [padded count, padded N]; class_units or scaled_rows, rows of padded D
//   error, traffic: fp32_product.cuh
#pragma once

#include "cuda/kernels/fp32_product.cuh"

extern "C" __global__ void __launch_bounds__(256, 2) cosface_dx_fp32(cosface::cuda::dx_fp32_params p) {
  using namespace cosface::cuda;
  using dx_product = fp32_product<k_index::across_rows, k_index::across_rows>;
  const int64_t first_row = static_cast<int64_t>(blockIdx.x) * product_rows;
  const int64_t first_feature = static_cast<int64_t>(blockIdx.y) * product_columns;
  const int64_t first_class = static_cast<int64_t>(blockIdx.z) * p.classes_per_part;
  const int64_t end = first_class + p.classes_per_part;
  dx_product product;
  product.multiply(gpu::shared<dx_product::shared_memory>(), {p.exponentials, p.padded_batch, first_row},
                   {p.class_units, p.padded_dim, first_feature}, first_class,
                   end < p.padded_count ? end : p.padded_count);
  float* part = p.parts + static_cast<int64_t>(blockIdx.z) * p.padded_batch * p.padded_dim;
#pragma unroll
  for (int r = 0; r < thread_rows; r++)
#pragma unroll
    for (int c = 0; c < thread_columns; c++) {
      float& out = part[(first_row + dx_product::row_of(r)) * p.padded_dim + first_feature + dx_product::column_of(c)];
      out = p.accumulate ? out + product.sums[r][c] : product.sums[r][c];
    }
}

extern "C" __global__ void __launch_bounds__(256, 2) cosface_dw_fp32(cosface::cuda::dw_fp32_params p) {
  using namespace cosface::cuda;
  using dw_product = fp32_product<k_index::along_rows, k_index::across_rows>;
  const int64_t first_class = static_cast<int64_t>(blockIdx.x) * product_rows;
  const int64_t first_feature = static_cast<int64_t>(blockIdx.y) * product_columns;
  dw_product product;
  product.multiply(gpu::shared<dw_product::shared_memory>(), {p.exponentials, p.padded_batch, first_class},
                   {p.scaled_rows, p.padded_dim, first_feature}, 0, p.padded_batch);
#pragma unroll
  for (int r = 0; r < thread_rows; r++)
#pragma unroll
    for (int c = 0; c < thread_columns; c++) {
      const int64_t row = first_class + dw_product::row_of(r), column = first_feature + dw_product::column_of(c);
      if (row < p.count && column < p.dim) p.d_weights[row * p.dim + column] = product.sums[r][c];
    }
}
