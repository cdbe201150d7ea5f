// WebAssembly with 128-bit vectors: 4 x 8 tiles (8 accumulators, 2 operands, 1 broadcast and the product before it is
// added, which leaves the engine some of x86's 16 registers). A product is multiplied, then added: the relaxed
// instructions, which may fuse the two, give other bits on other machines.
#if defined(__wasm_simd128__)

#include <wasm_simd128.h>

#include <cstdint>

#include "cpu/kernels/exp2_polynomial.h"

namespace cosface {
namespace {

struct vector {
  using type = v128_t;
  using index = v128_t;
  static constexpr int width = 4;
  static constexpr int tile_rows = 4;
  static constexpr bool only_fp32 = true;  // others would be slower, and a third of the module

  static COSFACE_LANE type zero() { return wasm_f32x4_const_splat(0); }
  static COSFACE_LANE type load(const float* p) { return wasm_v128_load(p); }
  static COSFACE_LANE void store(float* p, type v) { wasm_v128_store(p, v); }
  static COSFACE_LANE void stream(float* p, type v) { store(p, v); }
  static void fence() {}
  static COSFACE_LANE type broadcast(const float* p) { return wasm_v128_load32_splat(p); }
  static COSFACE_LANE type fma(type a, type b, type c) { return wasm_f32x4_add(wasm_f32x4_mul(a, b), c); }
  static COSFACE_LANE type add(type a, type b) { return wasm_f32x4_add(a, b); }
  static COSFACE_LANE type subtract(type a, type b) { return wasm_f32x4_sub(a, b); }
  static COSFACE_LANE type multiply(type a, type b) { return wasm_f32x4_mul(a, b); }
  static COSFACE_LANE type divide(type a, type b) { return wasm_f32x4_div(a, b); }
  static COSFACE_LANE type larger(type a, type b) { return wasm_f32x4_pmax(a, b); }
  static COSFACE_LANE type select_greater(type a, type b, type x, type y) {
    return wasm_v128_bitselect(x, y, wasm_f32x4_gt(a, b));
  }
  static COSFACE_LANE void split(type x, type& exponent, type& significand) {
    const v128_t whole = wasm_i32x4_shr(wasm_i32x4_sub(x, wasm_i32x4_const_splat(0x3f3504f3)), 23);
    exponent = wasm_f32x4_convert_i32x4(whole);
    significand = wasm_i32x4_sub(x, wasm_i32x4_shl(whole, 23));
  }

  static COSFACE_LANE index load_index(const int32_t* p) { return wasm_v128_load(p); }
  static COSFACE_LANE void store_index(int32_t* p, index v) { wasm_v128_store(p, v); }
  static COSFACE_LANE index broadcast_index(int32_t v) { return wasm_i32x4_splat(v); }
  static COSFACE_LANE type keep_where(index at, int32_t i, type x, type y) {
    return wasm_v128_bitselect(x, y, wasm_i32x4_eq(at, wasm_i32x4_splat(i)));
  }
  static COSFACE_LANE void take_greater(type value, index here, type& best, index& best_index) {
    const v128_t greater = wasm_f32x4_gt(value, best);
    best = wasm_v128_bitselect(value, best, greater);
    best_index = wasm_v128_bitselect(here, best_index, greater);
  }

  // 2^t for t <= 127, as in avx2.cc; the conversion saturates far below the range, which the mask covers too.
  static COSFACE_LANE type exp2(type t) {
    const v128_t in_range = wasm_f32x4_ge(t, wasm_f32x4_const_splat(-125));
    const v128_t whole = wasm_f32x4_nearest(t);
    const v128_t exponent = wasm_i32x4_shl(wasm_i32x4_trunc_sat_f32x4(whole), 23);
    const v128_t bits = wasm_i32x4_add(exp2_fraction<vector>(wasm_f32x4_sub(t, whole)), exponent);
    return wasm_v128_and(bits, in_range);
  }

  struct wide {
    // v128_t is one type for all lanes, and overloads tell floats from doubles.
    struct type {
      v128_t lanes;
    };
    static constexpr int width = 2;

    static COSFACE_LANE type zero() { return {wasm_f64x2_const_splat(0)}; }
    static COSFACE_LANE type load(const float* p) { return {wasm_f64x2_promote_low_f32x4(wasm_v128_load64_zero(p))}; }
    static COSFACE_LANE type load(const double* p) { return {wasm_v128_load(p)}; }
    static COSFACE_LANE void store(double* p, type v) { wasm_v128_store(p, v.lanes); }
    static COSFACE_LANE type broadcast(double v) { return {wasm_f64x2_splat(v)}; }
    static COSFACE_LANE type fma(type a, type b, type c) {
      return {wasm_f64x2_add(wasm_f64x2_mul(a.lanes, b.lanes), c.lanes)};
    }
    static COSFACE_LANE type add(type a, type b) { return {wasm_f64x2_add(a.lanes, b.lanes)}; }
    static COSFACE_LANE double sum(type v) {
      return wasm_f64x2_extract_lane(v.lanes, 0) + wasm_f64x2_extract_lane(v.lanes, 1);
    }
  };
};

}  // namespace
}  // namespace cosface

#include "cpu/kernels/tile_kernels.h"

namespace cosface {
constexpr cpu_kernels wasm_simd_kernels = make_kernels(COSFACE_ISA_WASM_SIMD);
}  // namespace cosface

#endif
