// The specification: loss and both gradients in double precision, plain loops. Every kernel is
// checked against it; it is checked against central differences.
#pragma once

#include <cstdint>
#include <vector>

#include "cosface/margin_softmax.h"

namespace cosface {

struct reference_results {
  std::vector<double> loss;                                                     // [N], weighted; 0 where ignored
  std::vector<double> target_cosine;                                            // [N], 0 where ignored
  std::vector<int32_t> prediction;                                              // [N]
  std::vector<double> d_embeddings;                                             // [N, D]
  std::vector<double> d_weights;                                                // [C K, D]; [S, D] with class_ids
  std::vector<double> d_bias;                                                   // [C], or [1] with the binary form
  std::vector<double> d_sample_weights, d_sample_m1, d_sample_m2, d_sample_m3;  // [N]
  double reduced_loss = 0;  // sum or mean, as cosface_margin_softmax_results
  int64_t counted = 0;
};

// Inputs widened to double, so that finite differences can perturb them below float's grain.
struct reference_problem {
  int64_t batch, classes, dim;
  std::vector<double> embeddings, weights;
  std::vector<int32_t> labels;
  std::vector<double> sample_weights;                   // empty: all 1
  std::vector<double> sample_m1, sample_m2, sample_m3;  // empty: the common ones
  std::vector<double> loss_gradient;                    // empty: all 1
  std::vector<double> bias;                             // empty: 0
  std::vector<int32_t> class_ids;                       // empty: all classes
};

// `sub_centers` is K; `one_bias`: with the binary form.
reference_problem widen(const cosface_margin_softmax_problem& problem, int64_t sub_centers = 1, bool one_bias = false);

// Labels, class ids and options must already be valid. Memory: O(ND + C K D).
reference_results margin_softmax_reference(const reference_problem& problem,
                                           const cosface_margin_softmax_options& options);

}  // namespace cosface
