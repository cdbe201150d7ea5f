// The double reference's gradients against central differences of its own loss.
#pragma once

#include <cmath>
#include <cstdint>
#include <functional>
#include <vector>

#include "reference/margin_softmax_reference.h"

namespace cosface::test {

// What the gradients are the gradients of.
inline double objective(const reference_problem& problem, const cosface_margin_softmax_options& options) {
  const reference_results r = margin_softmax_reference(problem, options);
  if (problem.loss_gradient.empty()) return r.reduced_loss;
  double sum = 0;
  for (int64_t i = 0; i < problem.batch; i++) sum += problem.loss_gradient[i] * r.loss[i];
  return sum;
}

// Fourth order: (8 (f(h) - f(-h)) - (f(2h) - f(-2h))) / 12h. Truncation is h^4 f^(5) / 30.
inline double central_difference(const std::function<double(double)>& f, double h) {
  return (8 * (f(h) - f(-h)) - (f(2 * h) - f(-2 * h))) / (12 * h);
}

// How far a gradient is from the differences by one input, and how long it is.
struct gradient_comparison {
  double difference, length;
};

inline gradient_comparison compare_with_differences(reference_problem& problem,
                                                    const cosface_margin_softmax_options& options, double step,
                                                    std::vector<double> reference_problem::*input,
                                                    const std::vector<double>& gradient) {
  double difference = 0, length = 0;
  for (size_t k = 0; k < gradient.size(); k++) {
    double& entry = (problem.*input)[k];
    const double at = entry;
    const double numeric = central_difference(
        [&](double h) {
          entry = at + h;
          return objective(problem, options);
        },
        step);
    entry = at;
    difference += (numeric - gradient[k]) * (numeric - gradient[k]);
    length += gradient[k] * gradient[k];
  }
  return {std::sqrt(difference), std::sqrt(length)};
}

}  // namespace cosface::test
