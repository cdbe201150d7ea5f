// The roofs of the benchmark. A loop that the compiler has emptied or halved would pass every use of it, and every
// kernel would look bad: so each rate is held between bounds that no processor misses.
#include "cosface/machine_rates.h"

#include <gtest/gtest.h>

#include "cpu/fma_loops.h"

namespace {

TEST(FmaRate, IsOfTheOrderOfAProcessorsRate) {
  for (int k = COSFACE_ISA_SCALAR; cosface_isa_name(static_cast<cosface_isa>(k)) != nullptr; k++) {
    const auto isa = static_cast<cosface_isa>(k);
    const double rate = cosface_fma_rate(isa, COSFACE_PRECISION_FP32, 1, 0.002);
    if (!cosface_isa_supported(isa)) {
      EXPECT_EQ(rate, 0) << cosface_isa_name(isa);
      continue;
    }
    EXPECT_GT(rate, 1e8) << cosface_isa_name(isa);
    EXPECT_LT(rate, 1e12) << cosface_isa_name(isa);
  }
}

#if defined(__x86_64__)
// Equal sums merged into one, or a product taken out of the loop, show as a rate that no ports could give: four ports
// of AVX2 at 6 GHz would do 384 GFLOP/s.
TEST(FmaRate, DoesTheWorkItCounts) {
  if (!cosface_isa_supported(COSFACE_ISA_AVX2)) GTEST_SKIP() << "no AVX2 here";
  float operands[cosface::fma_operands] = {0.5f, 1.0f};
  float sink[16] = {};
  const cosface::fma_loop loop = cosface::fma_loop_for(COSFACE_ISA_AVX2, COSFACE_PRECISION_FP32);
  // Twelve sums that begin at 0, three rounds of s / 2 + 1: each ends at 1.75.
  EXPECT_EQ(loop(3, operands, sink), 3 * 12 * 16);
  EXPECT_FLOAT_EQ(sink[0], 12 * 1.75f);
  EXPECT_LT(cosface_fma_rate(COSFACE_ISA_AVX2, COSFACE_PRECISION_FP32, 1, 0.005), 3.84e11);
}
#endif

TEST(FmaRate, OfNothingIsZero) {
  EXPECT_EQ(cosface_fma_rate(COSFACE_ISA_SCALAR, COSFACE_PRECISION_FP32, 0, 0.001), 0);
  EXPECT_EQ(cosface_fma_rate(COSFACE_ISA_AUTO, COSFACE_PRECISION_FP32, 1, 0.001), 0);
}

TEST(MemoryRate, IsOfTheOrderOfAMemorysRate) {
  for (const int threads : {1, 3}) {
    const double rate = cosface_memory_rate(1 << 24, threads, 0.01);
    EXPECT_GT(rate, 1e8);
    EXPECT_LT(rate, 1e13);
  }
  EXPECT_EQ(cosface_memory_rate(0, 1, 0.01), 0);
}

}  // namespace
