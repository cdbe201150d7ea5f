// AVX2 + FMA: 6 x 16 tiles (12 accumulators, 2 operands, 1 broadcast: 15 of 16 registers; two FMA
// ports with a latency of 4 need at least 8 accumulators, so tiles of 1 .. 3 rows run below peak).
#if defined(__x86_64__) || defined(_M_X64)

#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx2,fma"))), apply_to = function)
#elif defined(__GNUC__)
#pragma GCC target("avx2,fma")
#endif

#include <immintrin.h>

#include <cstdint>

#include "cpu/kernels/exp2_polynomial.h"

namespace cosface {
namespace {

struct vector {
  using type = __m256;
  using index = __m256i;
  static constexpr int width = 8;
  static constexpr int tile_rows = 6;

  static COSFACE_LANE type zero() { return _mm256_setzero_ps(); }
  static COSFACE_LANE type load(const float* p) { return _mm256_loadu_ps(p); }
  static COSFACE_LANE void store(float* p, type v) { _mm256_storeu_ps(p, v); }
  static COSFACE_LANE void stream(float* p, type v) { _mm256_stream_ps(p, v); }
  static void fence() { _mm_sfence(); }
  static COSFACE_LANE type broadcast(const float* p) { return _mm256_broadcast_ss(p); }
  static COSFACE_LANE type fma(type a, type b, type c) { return _mm256_fmadd_ps(a, b, c); }
  static COSFACE_LANE type add(type a, type b) { return _mm256_add_ps(a, b); }
  static COSFACE_LANE type subtract(type a, type b) { return _mm256_sub_ps(a, b); }
  static COSFACE_LANE type multiply(type a, type b) { return _mm256_mul_ps(a, b); }
  static COSFACE_LANE type divide(type a, type b) { return _mm256_div_ps(a, b); }
  static COSFACE_LANE type larger(type a, type b) { return _mm256_max_ps(a, b); }
  static COSFACE_LANE type select_greater(type a, type b, type x, type y) {
    return _mm256_blendv_ps(y, x, _mm256_cmp_ps(a, b, _CMP_GT_OQ));
  }
  static COSFACE_LANE void split(type x, type& exponent, type& significand) {
    const __m256i bits = _mm256_castps_si256(x), root_half = _mm256_set1_epi32(0x3f3504f3);
    const __m256i whole = _mm256_srai_epi32(_mm256_sub_epi32(bits, root_half), 23);
    exponent = _mm256_cvtepi32_ps(whole);
    significand = _mm256_castsi256_ps(_mm256_sub_epi32(bits, _mm256_slli_epi32(whole, 23)));
  }

  static COSFACE_LANE type low_half(type words) {
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_castps_si256(words), 16));
  }
  static COSFACE_LANE type high_half(type words) {
    return _mm256_and_ps(words, _mm256_castsi256_ps(_mm256_set1_epi32(static_cast<int32_t>(0xffff0000u))));
  }

  static COSFACE_LANE index load_index(const int32_t* p) {
    return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
  }
  static COSFACE_LANE void store_index(int32_t* p, index v) { _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), v); }
  static COSFACE_LANE index broadcast_index(int32_t v) { return _mm256_set1_epi32(v); }
  static COSFACE_LANE type keep_where(index at, int32_t i, type x, type y) {
    return _mm256_blendv_ps(y, x, _mm256_castsi256_ps(_mm256_cmpeq_epi32(at, _mm256_set1_epi32(i))));
  }
  static COSFACE_LANE void take_greater(type value, index here, type& best, index& best_index) {
    const type greater = _mm256_cmp_ps(value, best, _CMP_GT_OQ);
    best = _mm256_blendv_ps(best, value, greater);
    best_index = _mm256_blendv_epi8(best_index, here, _mm256_castps_si256(greater));
  }

  // 2^t for t <= 127: nearest whole number into the exponent, a polynomial for the rest; 0 below 2^-125.
  static COSFACE_LANE type exp2(type t) {
    const type in_range = _mm256_cmp_ps(t, _mm256_set1_ps(-125.0f), _CMP_GE_OQ);
    const type whole = _mm256_round_ps(t, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
    const type f = _mm256_sub_ps(t, whole);
    const __m256i exponent = _mm256_slli_epi32(_mm256_cvtps_epi32(whole), 23);
    const __m256i bits = _mm256_add_epi32(_mm256_castps_si256(exp2_fraction<vector>(f)), exponent);
    return _mm256_and_ps(_mm256_castsi256_ps(bits), in_range);
  }

  struct wide {
    using type = __m256d;
    static constexpr int width = 4;

    static COSFACE_LANE type zero() { return _mm256_setzero_pd(); }
    static COSFACE_LANE type load(const float* p) { return _mm256_cvtps_pd(_mm_loadu_ps(p)); }
    static COSFACE_LANE type load(const double* p) { return _mm256_loadu_pd(p); }
    static COSFACE_LANE void store(double* p, type v) { _mm256_storeu_pd(p, v); }
    static COSFACE_LANE type broadcast(double v) { return _mm256_set1_pd(v); }
    static COSFACE_LANE type fma(type a, type b, type c) { return _mm256_fmadd_pd(a, b, c); }
    static COSFACE_LANE type add(type a, type b) { return _mm256_add_pd(a, b); }
    static COSFACE_LANE double sum(type v) {
      const __m128d half = _mm_add_pd(_mm256_castpd256_pd128(v), _mm256_extractf128_pd(v, 1));
      return _mm_cvtsd_f64(_mm_add_sd(half, _mm_unpackhi_pd(half, half)));
    }
  };
};

}  // namespace
}  // namespace cosface

#include "cpu/kernels/tile_kernels.h"

namespace cosface {
constexpr cpu_kernels avx2_kernels = make_kernels(COSFACE_ISA_AVX2);
}  // namespace cosface

#if defined(__clang__)
#pragma clang attribute pop
#endif

#endif
