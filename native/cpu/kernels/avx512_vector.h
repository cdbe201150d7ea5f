// The vector of both AVX-512 files: 14 x 32 tiles (28 accumulators, 2 operands; the broadcast is an
// operand of the FMA itself: 30 of 32 registers). One step of the depth is 28 FMAs, 14 cycles on two
// ports, and reads 184 bytes: so little that the operands may come from L2.
// Include after the target has been set; COSFACE_AVX512_BF16 says that it has VDPBF16PS.
#pragma once

#include <immintrin.h>

#include <bit>
#include <cstdint>

#include "cpu/kernels/exp2_polynomial.h"

// Some intrinsics are called in their masked form with all lanes on, because gcc 12 takes the plain ones
// for reads of an uninitialised register.

namespace cosface {
namespace {

struct vector {
  using type = __m512;
  using index = __m512i;
  static constexpr int width = 16;
  static constexpr int tile_rows = 14;

  static COSFACE_LANE type zero() { return _mm512_setzero_ps(); }
  static COSFACE_LANE type load(const float* p) { return _mm512_loadu_ps(p); }
  static COSFACE_LANE void store(float* p, type v) { _mm512_storeu_ps(p, v); }
  static COSFACE_LANE void stream(float* p, type v) { _mm512_stream_ps(p, v); }
  static void fence() { _mm_sfence(); }
  static COSFACE_LANE type broadcast(const float* p) { return _mm512_set1_ps(*p); }
  static COSFACE_LANE type fma(type a, type b, type c) { return _mm512_fmadd_ps(a, b, c); }
  static COSFACE_LANE type add(type a, type b) { return _mm512_add_ps(a, b); }
  static COSFACE_LANE type subtract(type a, type b) { return _mm512_sub_ps(a, b); }
  static COSFACE_LANE type multiply(type a, type b) { return _mm512_mul_ps(a, b); }
  static COSFACE_LANE type divide(type a, type b) { return _mm512_div_ps(a, b); }
  static COSFACE_LANE type larger(type a, type b) { return _mm512_maskz_max_ps(0xffff, a, b); }
  static COSFACE_LANE type select_greater(type a, type b, type x, type y) {
    return _mm512_mask_mov_ps(y, _mm512_cmp_ps_mask(a, b, _CMP_GT_OQ), x);
  }
  static COSFACE_LANE void split(type x, type& exponent, type& significand) {
    const __m512i bits = _mm512_castps_si512(x), root_half = _mm512_set1_epi32(0x3f3504f3);
    const __m512i whole = _mm512_maskz_srai_epi32(0xffff, _mm512_sub_epi32(bits, root_half), 23);
    exponent = _mm512_maskz_cvtepi32_ps(0xffff, whole);
    significand = _mm512_castsi512_ps(_mm512_sub_epi32(bits, _mm512_maskz_slli_epi32(0xffff, whole, 23)));
  }

#if defined(COSFACE_AVX512_BF16)
  static COSFACE_LANE type dot_pairs(type a, type b, type c) { return _mm512_dpbf16_ps(c, as_pairs(a), as_pairs(b)); }
  static COSFACE_LANE __m512bh as_pairs(type words) { return std::bit_cast<__m512bh>(words); }
  static COSFACE_LANE type pair_along(type first, type second) {
    return std::bit_cast<type>(_mm512_cvtne2ps_pbh(second, first));
  }
  static COSFACE_LANE type pair_across(type low, type high) {
    alignas(64) static constexpr uint16_t interleaved[32] = {0,  16, 1,  17, 2,  18, 3,  19, 4,  20, 5,
                                                             21, 6,  22, 7,  23, 8,  24, 9,  25, 10, 26,
                                                             11, 27, 12, 28, 13, 29, 14, 30, 15, 31};
    return std::bit_cast<type>(_mm512_permutexvar_epi16(_mm512_load_si512(interleaved),
                                                        std::bit_cast<__m512i>(_mm512_cvtne2ps_pbh(high, low))));
  }
#else
  static COSFACE_LANE type low_half(type words) {
    return _mm512_castsi512_ps(_mm512_maskz_slli_epi32(0xffff, _mm512_castps_si512(words), 16));
  }
  static COSFACE_LANE type high_half(type words) {
    const __m512i upper = _mm512_set1_epi32(static_cast<int32_t>(0xffff0000u));
    return _mm512_castsi512_ps(_mm512_and_epi32(_mm512_castps_si512(words), upper));
  }
#endif

  static COSFACE_LANE index load_index(const int32_t* p) { return _mm512_loadu_si512(p); }
  static COSFACE_LANE void store_index(int32_t* p, index v) { _mm512_storeu_si512(p, v); }
  static COSFACE_LANE index broadcast_index(int32_t v) { return _mm512_set1_epi32(v); }
  static COSFACE_LANE type keep_where(index at, int32_t i, type x, type y) {
    return _mm512_mask_mov_ps(y, _mm512_cmpeq_epi32_mask(at, _mm512_set1_epi32(i)), x);
  }
  static COSFACE_LANE void take_greater(type value, index here, type& best, index& best_index) {
    const __mmask16 greater = _mm512_cmp_ps_mask(value, best, _CMP_GT_OQ);
    best = _mm512_mask_mov_ps(best, greater, value);
    best_index = _mm512_mask_mov_epi32(best_index, greater, here);
  }

  // 2^t for t <= 127, as in avx2.cc; VSCALEFPS puts the whole part in the exponent.
  static COSFACE_LANE type exp2(type t) {
    const __mmask16 in_range = _mm512_cmp_ps_mask(t, _mm512_set1_ps(-125.0f), _CMP_GE_OQ);
    const type whole = _mm512_maskz_roundscale_ps(in_range, t, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
    const type f = _mm512_sub_ps(t, whole);
    return _mm512_maskz_scalef_ps(in_range, exp2_fraction<vector>(f), whole);
  }

  struct wide {
    using type = __m512d;
    static constexpr int width = 8;

    static COSFACE_LANE type zero() { return _mm512_setzero_pd(); }
    static COSFACE_LANE type load(const float* p) { return _mm512_maskz_cvtps_pd(0xff, _mm256_loadu_ps(p)); }
    static COSFACE_LANE type load(const double* p) { return _mm512_loadu_pd(p); }
    static COSFACE_LANE void store(double* p, type v) { _mm512_storeu_pd(p, v); }
    static COSFACE_LANE type broadcast(double v) { return _mm512_set1_pd(v); }
    static COSFACE_LANE type fma(type a, type b, type c) { return _mm512_fmadd_pd(a, b, c); }
    static COSFACE_LANE type add(type a, type b) { return _mm512_add_pd(a, b); }
    static COSFACE_LANE double sum(type v) {
      double lane[width];
      store(lane, v);
      return ((lane[0] + lane[4]) + (lane[1] + lane[5])) + ((lane[2] + lane[6]) + (lane[3] + lane[7]));
    }
  };
};

}  // namespace
}  // namespace cosface
