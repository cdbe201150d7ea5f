// Portable C++ for any processor: vectors are four floats in an array, which the compiler maps to
// whatever the baseline has. 4 x 8 tiles.
#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>

namespace cosface {
namespace {

template <class element>
struct lanes {
  static constexpr int width = 4;
  struct type {
    element lane[width];
  };

  static type zero() { return {}; }
  static void store(element* p, const type& v) { std::memcpy(p, v.lane, sizeof v.lane); }
  static type fma(const type& a, const type& b, const type& c) {
    type v;
    for (int j = 0; j < width; j++) v.lane[j] = a.lane[j] * b.lane[j] + c.lane[j];
    return v;
  }
  static type add(const type& a, const type& b) {
    type v;
    for (int j = 0; j < width; j++) v.lane[j] = a.lane[j] + b.lane[j];
    return v;
  }
};

struct vector : lanes<float> {
  static constexpr int tile_rows = 4;
  struct index {
    int32_t lane[width];
  };

  static type load(const float* p) {
    type v;
    std::memcpy(v.lane, p, sizeof v.lane);
    return v;
  }
  static void stream(float* p, const type& v) { store(p, v); }
  static void fence() {}
  static type broadcast(const float* p) { return {{*p, *p, *p, *p}}; }

  static type low_half(const type& words) {
    type v;
    for (int j = 0; j < width; j++) v.lane[j] = std::bit_cast<float>(std::bit_cast<uint32_t>(words.lane[j]) << 16);
    return v;
  }
  static type high_half(const type& words) {
    type v;
    for (int j = 0; j < width; j++)
      v.lane[j] = std::bit_cast<float>(std::bit_cast<uint32_t>(words.lane[j]) & 0xffff0000u);
    return v;
  }

  static index load_index(const int32_t* p) {
    index v;
    std::memcpy(v.lane, p, sizeof v.lane);
    return v;
  }
  static void store_index(int32_t* p, const index& v) { std::memcpy(p, v.lane, sizeof v.lane); }
  static index broadcast_index(int32_t value) { return {{value, value, value, value}}; }
  template <class function>
  static type each(const function& f) {
    type v;
    for (int j = 0; j < width; j++) v.lane[j] = f(j);
    return v;
  }
  static type subtract(const type& a, const type& b) {
    return each([&](int j) { return a.lane[j] - b.lane[j]; });
  }
  static type multiply(const type& a, const type& b) {
    return each([&](int j) { return a.lane[j] * b.lane[j]; });
  }
  static type divide(const type& a, const type& b) {
    return each([&](int j) { return a.lane[j] / b.lane[j]; });
  }
  static type larger(const type& a, const type& b) {
    return each([&](int j) { return a.lane[j] > b.lane[j] ? a.lane[j] : b.lane[j]; });
  }
  static type select_greater(const type& a, const type& b, const type& x, const type& y) {
    return each([&](int j) { return a.lane[j] > b.lane[j] ? x.lane[j] : y.lane[j]; });
  }
  static type keep_where(const index& at, int32_t i, const type& x, const type& y) {
    return each([&](int j) { return at.lane[j] == i ? x.lane[j] : y.lane[j]; });
  }
  static void split(const type& x, type& exponent, type& significand) {
    constexpr float root_half = 0.70710678f;
    for (int j = 0; j < width; j++) {
      int whole;
      const float part = std::frexp(x.lane[j], &whole);  // in [1/2, 1)
      const bool low = part < root_half;
      exponent.lane[j] = static_cast<float>(low ? whole - 1 : whole);
      significand.lane[j] = low ? 2 * part : part;
    }
  }
  static void take_greater(const type& value, const index& here, type& best, index& best_index) {
    for (int j = 0; j < width; j++) {
      const bool greater = value.lane[j] > best.lane[j];
      best.lane[j] = greater ? value.lane[j] : best.lane[j];
      best_index.lane[j] = greater ? here.lane[j] : best_index.lane[j];
    }
  }

  static type exp2(const type& t) {
    type v;
    for (int j = 0; j < width; j++) v.lane[j] = t.lane[j] >= -125.0f ? std::exp2(t.lane[j]) : 0.0f;
    return v;
  }

  struct wide : lanes<double> {
    static type load(const float* p) { return {{p[0], p[1], p[2], p[3]}}; }
    static type load(const double* p) { return {{p[0], p[1], p[2], p[3]}}; }
    static type broadcast(double v) { return {{v, v, v, v}}; }
    static double sum(const type& v) { return (v.lane[0] + v.lane[2]) + (v.lane[1] + v.lane[3]); }
  };
};

}  // namespace
}  // namespace cosface

#include "cpu/kernels/tile_kernels.h"

namespace cosface {
constexpr cpu_kernels scalar_kernels = make_kernels(COSFACE_ISA_SCALAR);
}  // namespace cosface
