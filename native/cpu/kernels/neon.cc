// Advanced SIMD (Neon), which every 64-bit Arm processor has: 8 x 8 tiles (16 accumulators, 2 operands).
// Four FMA pipes with a latency of 4 need 16 accumulators, two pipes 8: smaller tiles run below peak. Taller
// ones would fit the 32 registers, but gcc 12 keeps accumulators on the stack from 10 rows on. A broadcast
// is a mere load, as FMLA takes a lane. bf16 operands are widened on the way, so bf16 saves no time.
// Tested in an emulator (native/test/aarch64.cmake) and never timed: the reasons are by instruction count.
#if defined(__aarch64__) || defined(_M_ARM64)

#include <arm_neon.h>

#include <cstdint>

#include "cpu/kernels/exp2_polynomial.h"

namespace cosface {
namespace {

struct vector {
  using type = float32x4_t;
  using index = int32x4_t;
  static constexpr int width = 4;
  static constexpr int tile_rows = 8;

  static COSFACE_LANE type zero() { return vdupq_n_f32(0); }
  static COSFACE_LANE type load(const float* p) { return vld1q_f32(p); }
  static COSFACE_LANE void store(float* p, type v) { vst1q_f32(p, v); }
  static COSFACE_LANE void stream(float* p, type v) { store(p, v); }
  static void fence() {}
  static COSFACE_LANE type broadcast(const float* p) { return vld1q_dup_f32(p); }
  static COSFACE_LANE type fma(type a, type b, type c) { return vfmaq_f32(c, a, b); }
  static COSFACE_LANE type add(type a, type b) { return vaddq_f32(a, b); }
  static COSFACE_LANE type subtract(type a, type b) { return vsubq_f32(a, b); }
  static COSFACE_LANE type multiply(type a, type b) { return vmulq_f32(a, b); }
  static COSFACE_LANE type divide(type a, type b) { return vdivq_f32(a, b); }
  static COSFACE_LANE type larger(type a, type b) { return vmaxq_f32(a, b); }
  static COSFACE_LANE type select_greater(type a, type b, type x, type y) { return vbslq_f32(vcgtq_f32(a, b), x, y); }
  static COSFACE_LANE void split(type x, type& exponent, type& significand) {
    const int32x4_t bits = vreinterpretq_s32_f32(x), root_half = vdupq_n_s32(0x3f3504f3);
    const int32x4_t whole = vshrq_n_s32(vsubq_s32(bits, root_half), 23);
    exponent = vcvtq_f32_s32(whole);
    significand = vreinterpretq_f32_s32(vsubq_s32(bits, vshlq_n_s32(whole, 23)));
  }

  // BFDOT, which would multiply pairs, is an extension that this file cannot suppose.
  static COSFACE_LANE type low_half(type words) {
    return vreinterpretq_f32_u32(vshlq_n_u32(vreinterpretq_u32_f32(words), 16));
  }
  static COSFACE_LANE type high_half(type words) {
    return vreinterpretq_f32_u32(vandq_u32(vreinterpretq_u32_f32(words), vdupq_n_u32(0xffff0000u)));
  }

  static COSFACE_LANE index load_index(const int32_t* p) { return vld1q_s32(p); }
  static COSFACE_LANE void store_index(int32_t* p, index v) { vst1q_s32(p, v); }
  static COSFACE_LANE index broadcast_index(int32_t v) { return vdupq_n_s32(v); }
  static COSFACE_LANE type keep_where(index at, int32_t i, type x, type y) {
    return vbslq_f32(vceqq_s32(at, vdupq_n_s32(i)), x, y);
  }
  static COSFACE_LANE void take_greater(type value, index here, type& best, index& best_index) {
    const uint32x4_t greater = vcgtq_f32(value, best);
    best = vbslq_f32(greater, value, best);
    best_index = vbslq_s32(greater, here, best_index);
  }

  // 2^t for t <= 127, as in avx2.cc. Far below the range the whole part saturates; the mask covers that too.
  static COSFACE_LANE type exp2(type t) {
    const uint32x4_t in_range = vcgeq_f32(t, vdupq_n_f32(-125));
    const type f = vsubq_f32(t, vrndnq_f32(t));
    const int32x4_t exponent = vshlq_n_s32(vcvtnq_s32_f32(t), 23);
    const int32x4_t bits = vaddq_s32(vreinterpretq_s32_f32(exp2_fraction<vector>(f)), exponent);
    return vreinterpretq_f32_u32(vandq_u32(vreinterpretq_u32_s32(bits), in_range));
  }

  struct wide {
    using type = float64x2_t;
    static constexpr int width = 2;

    static COSFACE_LANE type zero() { return vdupq_n_f64(0); }
    static COSFACE_LANE type load(const float* p) { return vcvt_f64_f32(vld1_f32(p)); }
    static COSFACE_LANE type load(const double* p) { return vld1q_f64(p); }
    static COSFACE_LANE void store(double* p, type v) { vst1q_f64(p, v); }
    static COSFACE_LANE type broadcast(double v) { return vdupq_n_f64(v); }
    static COSFACE_LANE type fma(type a, type b, type c) { return vfmaq_f64(c, a, b); }
    static COSFACE_LANE type add(type a, type b) { return vaddq_f64(a, b); }
    static COSFACE_LANE double sum(type v) { return vaddvq_f64(v); }
  };
};

}  // namespace
}  // namespace cosface

#include "cpu/kernels/tile_kernels.h"

namespace cosface {
constexpr cpu_kernels neon_kernels = make_kernels(COSFACE_ISA_NEON);
}  // namespace cosface

#endif
