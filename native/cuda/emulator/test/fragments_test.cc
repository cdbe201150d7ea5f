// The emulator's fragment layouts against NVIDIA's own: CuTe's traits of the same instructions (wheel nvidia-cutlass).
#include <gtest/gtest.h>

#include <cute/atom/copy_traits_sm75.hpp>
#include <cute/atom/mma_traits_sm80.hpp>
#include <cute/tensor.hpp>

#include "cuda/emulator/fragments.h"

namespace cosface::cuda::emulator::test {
namespace {

// CuTe counts elements of an operand by columns of A [16, 16], B as [n, k] = [8, 16], sums [16, 8].
template <class traits>
void compare_products() {
  const typename traits::ALayout a;
  const typename traits::BLayout b;
  const typename traits::CLayout sums;
  for (int lane = 0; lane < 32; lane++) {
    for (int h = 0; h < 8; h++) {
      const place at = a_element(lane, h);
      EXPECT_EQ(static_cast<int>(a(lane, h)), at.row + 16 * at.column) << lane << " a " << h;
    }
    for (int h = 0; h < 4; h++) {
      const place at = b_element(lane, h);
      EXPECT_EQ(static_cast<int>(b(lane, h)), at.column + 8 * at.row) << lane << " b " << h;
    }
    for (int v = 0; v < 4; v++) {
      const place at = sum_element(lane, v);
      EXPECT_EQ(static_cast<int>(sums(lane, v)), at.row + 16 * at.column) << lane << " sum " << v;
    }
  }
}

TEST(emulator_fragments, products_of_half) { compare_products<cute::MMA_Traits<cute::SM80_16x8x16_F32F16F16F32_TN>>(); }
TEST(emulator_fragments, products_of_bf16) {
  compare_products<cute::MMA_Traits<cute::SM80_16x8x16_F32BF16BF16F32_TN>>();
}

// Source and destination are laid out over one space of bits.
template <class traits, class source_function>
void compare_loads(const source_function& source_of) {
  const typename traits::SrcLayout source;
  const typename traits::DstLayout destination;
  for (int lane = 0; lane < 32; lane++)
    for (int matrix = 0; matrix < 4; matrix++)
      for (int half = 0; half < 2; half++) {
        const matrix_source from = source_of(lane, matrix, half);
        EXPECT_EQ(static_cast<int>(destination(lane, (matrix * 2 + half) * 16)),
                  static_cast<int>(source(from.lane, from.column * 16)))
            << lane << ", " << matrix << ", " << half;
      }
}

TEST(emulator_fragments, loads_of_matrices) {
  compare_loads<cute::Copy_Traits<cute::SM75_U32x4_LDSM_N>>(matrix_element);
}
TEST(emulator_fragments, loads_of_matrices_transposed) {
  compare_loads<cute::Copy_Traits<cute::SM75_U16x8_LDSM_T>>(transposed_matrix_element);
}

}  // namespace
}  // namespace cosface::cuda::emulator::test
