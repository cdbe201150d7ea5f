// What the fuzz targets make of libFuzzer's bytes: numbers and rows that are mostly in range and sometimes not. A
// vector made by size holds just that much of the heap, so AddressSanitizer sees one element too many.
#pragma once

#include <fuzzer/FuzzedDataProvider.h>

#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <vector>

#include "cosface/margin_softmax.h"
#include "kernel_call.h"
#include "seeded_random.h"

namespace cosface::test {

// One case of the target, made from these bytes.
void fuzz(FuzzedDataProvider& input);

// Ends the program unless `holds`; libFuzzer then keeps the input.
inline void require(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "fuzz: does not hold: %s\n", what);
  std::abort();
}

// A number in [low, high]; now and then one just outside, or none at all.
inline double fuzzed_number(FuzzedDataProvider& input, double low, double high) {
  switch (input.ConsumeIntegralInRange<int>(0, 40)) {
    case 0: return low - 1e-9 - std::fabs(low);
    case 1: return high + 1e-9 + std::fabs(high);
    case 2: return std::numeric_limits<double>::quiet_NaN();
    case 3: return std::numeric_limits<double>::infinity();
    case 4: return low;
    case 5: return high;
    default: return input.ConsumeFloatingPointInRange<double>(low, high);
  }
}

// Values from a seed, some hard ones among them.
inline std::vector<float> fuzzed_values(FuzzedDataProvider& input, int64_t size) {
  constexpr float hard[] = {0,
                            -0.0f,
                            1e-45f,
                            1e-30f,
                            1e-12f,
                            3e18f,
                            -3e38f,
                            1,
                            -1,
                            std::numeric_limits<float>::infinity(),
                            std::numeric_limits<float>::quiet_NaN()};
  std::vector<float> values(size);
  seeded_random random(input.ConsumeIntegral<uint32_t>());
  const double length = std::pow(10.0, input.ConsumeIntegralInRange<int>(-20, 18));
  for (float& value : values) value = static_cast<float>(length * random.normal());
  if (size == 0) return values;
  for (int k = input.ConsumeIntegralInRange<int>(0, 6); k > 0; k--)
    values[input.ConsumeIntegralInRange<int64_t>(0, size - 1)] = input.PickValueInArray(hard);
  return values;
}

// Per-sample numbers in [low, high], or none: an empty vector.
inline std::vector<float> fuzzed_per_sample(FuzzedDataProvider& input, int64_t batch, double low, double high) {
  if (input.ConsumeIntegralInRange<int>(0, 3) != 0) return {};
  std::vector<float> values(batch);
  for (float& value : values) value = static_cast<float>(fuzzed_number(input, low, high));
  return values;
}

// Labels of [0, classes) and -1; now and then others.
inline std::vector<int32_t> fuzzed_labels(FuzzedDataProvider& input, int64_t batch, int64_t classes) {
  std::vector<int32_t> labels(batch);
  seeded_random random(input.ConsumeIntegral<uint32_t>());
  for (int32_t& label : labels) label = static_cast<int32_t>(random.below(classes + 1)) - 1;
  if (batch > 0 && input.ConsumeIntegralInRange<int>(0, 10) == 0)
    labels[input.ConsumeIntegralInRange<int64_t>(0, batch - 1)] = input.ConsumeIntegral<int32_t>();
  return labels;
}

// Every field from the bytes, in the ranges of margin_softmax.h; the enumerations with values that are none.
inline cosface_margin_softmax_options fuzzed_options(FuzzedDataProvider& input) {
  cosface_margin_softmax_options options;
  cosface_margin_softmax_default_options(&options);
  const auto choice = [&](int count) { return input.ConsumeIntegralInRange<int>(0, count - 1); };
  const auto sometimes = [&] { return choice(4) == 0; };
  options.scale = std::pow(10.0, fuzzed_number(input, -3, 6));
  if (sometimes()) options.m1 = fuzzed_number(input, 0, 16);
  if (sometimes()) options.m2 = fuzzed_number(input, 0, 3.14159);
  if (sometimes()) options.m3 = fuzzed_number(input, 0, 2);
  options.reduction = static_cast<cosface_reduction>(choice(3));
  options.gradient = static_cast<cosface_gradient>(choice(2));
  options.isa = sometimes() ? static_cast<cosface_isa>(choice(6)) : COSFACE_ISA_AUTO;
  if (sometimes()) options.precision = static_cast<cosface_precision>(choice(3));
  if (sometimes()) options.gradient_tolerance = fuzzed_number(input, 0, 0.999);
  options.workspace_bytes = input.ConsumeIntegralInRange<int64_t>(-1, 1 << 20);
  if (sometimes()) options.fallback = static_cast<cosface_fallback>(choice(4));
  if (sometimes()) options.annealing = fuzzed_number(input, 0, 1e6);
  options.normalize_embeddings = !sometimes();
  options.normalize_weights = !sometimes();
  if (sometimes()) options.label_smoothing = fuzzed_number(input, 0, 0.999);
  if (sometimes()) options.interclass_filter = fuzzed_number(input, -0.999, 2);
  if (sometimes()) options.negatives = static_cast<cosface_negatives>(choice(4));
  options.negatives_t = fuzzed_number(input, -1, 3);
  if (sometimes()) options.sub_centers = input.ConsumeIntegralInRange<int64_t>(0, 5);
  if (sometimes()) options.curve = static_cast<cosface_curve>(choice(3));
  options.curve_exponent = fuzzed_number(input, 1, 16);
  if (sometimes()) options.form = static_cast<cosface_form>(choice(2));
  options.positive_weight = fuzzed_number(input, 0, 10);
  options.negative_weight = fuzzed_number(input, 0, 10);
  options.negative_margin = fuzzed_number(input, -2, 2);
  options.bias_sign = sometimes() ? -1 : 1;
  return options;
}

// An error has a known status and words that end.
inline void require_error(cosface_status status, const cosface_error& error) {
  require(status > COSFACE_OK && status <= COSFACE_ERROR_DEVICE_FAILED, "the status is known");
  require(error.status == status, "the error has the status that was returned");
  require(error.message[0] != 0 && std::memchr(error.message, 0, sizeof error.message) != nullptr, "the message ends");
  require(std::memchr(error.argument, 0, sizeof error.argument) != nullptr, "the argument's name ends");
}

template <typename T>
const T* pointer_or_null(const std::vector<T>& values) {
  return values.empty() ? nullptr : values.data();
}

}  // namespace cosface::test
