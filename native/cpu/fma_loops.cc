// Multiply-adds in registers. Every round continues as many independent sums as the registers hold: two ports with a
// latency of 4 want 8, four ports want 16. Each sum is its own factor: were it only the summand, the product of two
// constants would be taken out of the loop. All numbers come from memory and each sum begins elsewhere: the compiler
// merges sums that it knows to be equal.
#include "cpu/fma_loops.h"

#if defined(__x86_64__) || defined(_M_X64)
#include <immintrin.h>
#define COSFACE_X86 1
#elif defined(__aarch64__) || defined(_M_ARM64)
#include <arm_neon.h>
#define COSFACE_ARM64 1
#endif

#if defined(__GNUC__)
#define COSFACE_TARGET(isa) __attribute__((target(isa)))
#define COSFACE_UNROLL _Pragma("GCC unroll 24")
#else
#define COSFACE_TARGET(isa)
#define COSFACE_UNROLL
#endif

// A loop over `sums` vectors; `next` continues a sum from `factor` and `summand`. A macro, because a template's
// instance does not take over the target of the function that it is called from.
#define COSFACE_FMA_LOOP(name, target, vector, sums, flops, broadcast, next, add, store) \
  target int64_t name(int64_t repeats, const float* operands, float* sink) {             \
    const vector factor = broadcast(operands[0]), summand = broadcast(operands[1]);      \
    vector sum[sums];                                                                    \
    COSFACE_UNROLL                                                                       \
    for (int k = 0; k < sums; k++) sum[k] = broadcast(operands[2 + k]);                  \
    for (int64_t r = 0; r < repeats; r++) {                                              \
      COSFACE_UNROLL                                                                     \
      for (int k = 0; k < sums; k++) sum[k] = next(sum[k], factor, summand);             \
    }                                                                                    \
    vector total = sum[0];                                                               \
    COSFACE_UNROLL                                                                       \
    for (int k = 1; k < sums; k++) total = add(total, sum[k]);                           \
    store(sink, total);                                                                  \
    return repeats * (sums) * (flops);                                                   \
  }

namespace cosface {
namespace {

// Four floats in what the baseline has: SSE2, Neon or nothing.
#if defined(__GNUC__)
typedef float baseline __attribute__((vector_size(16)));
inline baseline baseline_broadcast(float v) { return baseline{v, v, v, v}; }
inline void baseline_store(float* out, baseline v) {
  for (int j = 0; j < 4; j++) out[j] = v[j];
}
constexpr int baseline_lanes = 4;
#else
using baseline = float;
inline baseline baseline_broadcast(float v) { return v; }
inline void baseline_store(float* out, baseline v) { *out = v; }
constexpr int baseline_lanes = 1;
#endif
inline baseline baseline_next(baseline sum, baseline factor, baseline summand) { return sum * factor + summand; }
inline baseline baseline_add(baseline a, baseline b) { return a + b; }

COSFACE_FMA_LOOP(scalar_loop, , baseline, 12, 2 * baseline_lanes, baseline_broadcast, baseline_next, baseline_add,
                 baseline_store)

#if COSFACE_X86
COSFACE_FMA_LOOP(avx2_loop, COSFACE_TARGET("avx2,fma"), __m256, 12, 16, _mm256_set1_ps, _mm256_fmadd_ps, _mm256_add_ps,
                 _mm256_storeu_ps)
COSFACE_FMA_LOOP(avx512_loop, COSFACE_TARGET("avx512f"), __m512, 24, 32, _mm512_set1_ps, _mm512_fmadd_ps, _mm512_add_ps,
                 _mm512_storeu_ps)

// sum + two products a lane. The pairs are the two halves of `factor`'s and `summand`'s bits: finite and small, and
// the processor's time does not depend on them.
#define COSFACE_DOT_BF16(sum, factor, summand) \
  _mm512_dpbf16_ps(sum, reinterpret_cast<__m512bh>(factor), reinterpret_cast<__m512bh>(summand))
COSFACE_FMA_LOOP(bf16_loop, COSFACE_TARGET("avx512f,avx512bf16"), __m512, 24, 64, _mm512_set1_ps, COSFACE_DOT_BF16,
                 _mm512_add_ps, _mm512_storeu_ps)
#endif

#if COSFACE_ARM64
inline float32x4_t neon_next(float32x4_t sum, float32x4_t factor, float32x4_t summand) {
  return vfmaq_f32(summand, sum, factor);
}
COSFACE_FMA_LOOP(neon_loop, , float32x4_t, 24, 8, vdupq_n_f32, neon_next, vaddq_f32, vst1q_f32)
#endif

}  // namespace

fma_loop fma_loop_for(cosface_isa isa, [[maybe_unused]] cosface_precision precision) {
  switch (isa) {
    case COSFACE_ISA_SCALAR: return scalar_loop;
#if COSFACE_X86
    case COSFACE_ISA_AVX2: return avx2_loop;
    case COSFACE_ISA_AVX512: return avx512_loop;
    case COSFACE_ISA_AVX512_BF16: return precision == COSFACE_PRECISION_BF16 ? bf16_loop : avx512_loop;
#endif
#if COSFACE_ARM64
    case COSFACE_ISA_NEON: return neon_loop;
#endif
    default: return nullptr;
  }
}

}  // namespace cosface
