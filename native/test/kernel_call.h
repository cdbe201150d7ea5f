// One call through the C ABI, with outputs that start as NaN so that an element nobody wrote shows.
#pragma once

#include <cmath>
#include <cstring>
#include <limits>
#include <string>
#include <vector>

#include "cosface/margin_softmax.h"
#include "problem_data.h"

namespace cosface::test {

struct kernel_results {
  cosface_status status = COSFACE_OK;
  cosface_error error{};
  std::vector<float> loss, target_cosine, d_embeddings, d_weights, d_bias;
  std::vector<float> d_sample_weights, d_sample_m1, d_sample_m2, d_sample_m3;
  std::vector<int32_t> prediction;
  double reduced_loss = std::numeric_limits<double>::quiet_NaN();
  int64_t counted = -1, zero_embeddings = -1, zero_weights = -1;
};

inline kernel_results run_kernel(const cosface_margin_softmax_problem& problem,
                                 const cosface_margin_softmax_options& options, bool gradients = true) {
  constexpr float nan = std::numeric_limits<float>::quiet_NaN();
  kernel_results out;
  out.loss.assign(problem.batch, nan);
  out.target_cosine.assign(problem.batch, nan);
  out.prediction.assign(problem.batch, -7);
  for (std::vector<float>* by : {&out.d_sample_weights, &out.d_sample_m1, &out.d_sample_m2, &out.d_sample_m3})
    by->assign(problem.batch, nan);
  if (gradients) {
    out.d_embeddings.assign(problem.batch * problem.dim, nan);
    const int64_t rows = problem.class_ids == nullptr ? problem.classes * options.sub_centers : problem.class_count;
    out.d_weights.assign(rows * problem.dim, nan);
    if (problem.bias) out.d_bias.assign(options.form == COSFACE_FORM_BINARY ? 1 : problem.classes, nan);
  }
  // An empty vector has a null pointer, which would mean "not wanted".
  static float no_rows = 0;
  const auto output = [](std::vector<float>& v) { return v.empty() ? &no_rows : v.data(); };
  cosface_margin_softmax_results results{};
  results.loss = output(out.loss);
  results.target_cosine = output(out.target_cosine);
  results.prediction = out.prediction.data();
  results.d_sample_weights = output(out.d_sample_weights);
  results.d_sample_m1 = output(out.d_sample_m1);
  results.d_sample_m2 = output(out.d_sample_m2);
  results.d_sample_m3 = output(out.d_sample_m3);
  if (gradients) {
    results.d_embeddings = output(out.d_embeddings);
    results.d_weights = output(out.d_weights);
    if (problem.bias) results.d_bias = output(out.d_bias);
  }
  out.status = cosface_margin_softmax(&problem, &options, &results, &out.error);
  out.reduced_loss = results.reduced_loss;
  out.counted = results.counted;
  out.zero_embeddings = results.zero_embeddings;
  out.zero_weights = results.zero_weights;
  return out;
}

inline kernel_results run_kernel(const problem_data& data, const cosface_margin_softmax_options& options,
                                 bool gradients = true) {
  return run_kernel(data.view(), options, gradients);
}

template <typename T>
bool same_bits(const std::vector<T>& a, const std::vector<T>& b) {
  return a.size() == b.size() && (a.empty() || std::memcmp(a.data(), b.data(), a.size() * sizeof(T)) == 0);
}

// The name of the first output whose bits differ; empty if none does.
inline std::string first_difference(const kernel_results& a, const kernel_results& b) {
  if (!same_bits(a.loss, b.loss)) return "loss";
  if (!same_bits(a.target_cosine, b.target_cosine)) return "target_cosine";
  if (!same_bits(a.prediction, b.prediction)) return "prediction";
  if (!same_bits(a.d_embeddings, b.d_embeddings)) return "d_embeddings";
  if (!same_bits(a.d_weights, b.d_weights)) return "d_weights";
  if (!same_bits(a.d_bias, b.d_bias)) return "d_bias";
  if (!same_bits(a.d_sample_weights, b.d_sample_weights)) return "d_sample_weights";
  if (!same_bits(a.d_sample_m1, b.d_sample_m1)) return "d_sample_m1";
  if (!same_bits(a.d_sample_m2, b.d_sample_m2)) return "d_sample_m2";
  if (!same_bits(a.d_sample_m3, b.d_sample_m3)) return "d_sample_m3";
  if (std::memcmp(&a.reduced_loss, &b.reduced_loss, sizeof(double)) != 0) return "reduced_loss";
  if (a.counted != b.counted) return "counted";
  return "";
}

// Every instruction set this processor runs. A new one in cosface_isa belongs in this list.
inline std::vector<cosface_isa> supported_isas() {
  std::vector<cosface_isa> isas;
  for (const cosface_isa isa :
       {COSFACE_ISA_SCALAR, COSFACE_ISA_AVX2, COSFACE_ISA_AVX512, COSFACE_ISA_AVX512_BF16, COSFACE_ISA_NEON})
    if (cosface_isa_supported(isa)) isas.push_back(isa);
  return isas;
}

}  // namespace cosface::test
