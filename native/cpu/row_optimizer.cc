#include "cpu/row_optimizer.h"

#include <cmath>

namespace cosface {
namespace {

// 1 - beta^count without the cancellation of a beta near 1.
float bias_correction(double beta, int32_t count) {
  return static_cast<float>(beta == 0 ? 1 : -std::expm1(count * std::log(beta)));
}

}  // namespace

void row_optimizer::update(int64_t row, const float* gradient) const {
  if (options_.optimizer == COSFACE_OPTIMIZER_SGD)
    update_by_sgd(row, gradient);
  else
    update_by_adamw(row, gradient);
  if (options_.normalize) normalize(state_.weights + row * options_.dim);
}

void row_optimizer::update_by_sgd(int64_t row, const float* gradient) const {
  const int64_t dim = options_.dim;
  const auto rate = static_cast<float>(update_.learning_rate), decay = static_cast<float>(update_.weight_decay);
  const auto momentum = static_cast<float>(options_.momentum);
  float* w = state_.weights + row * dim;
  if (state_.velocity == nullptr) {
    for (int64_t d = 0; d < dim; d++) w[d] -= rate * (gradient[d] + decay * w[d]);
    return;
  }
  float* velocity = state_.velocity + row * dim;
  for (int64_t d = 0; d < dim; d++) {
    velocity[d] = momentum * velocity[d] + (gradient[d] + decay * w[d]);
    w[d] -= rate * velocity[d];
  }
}

void row_optimizer::update_by_adamw(int64_t row, const float* gradient) const {
  const int64_t dim = options_.dim;
  int32_t& count = state_.updates[row];
  if (count < INT32_MAX) count++;
  const auto rate = static_cast<float>(update_.learning_rate / bias_correction(options_.beta1, count));
  const auto shrink = static_cast<float>(1 - update_.learning_rate * update_.weight_decay);
  const float per_second = 1 / bias_correction(options_.beta2, count);
  const auto beta1 = static_cast<float>(options_.beta1), beta2 = static_cast<float>(options_.beta2);
  const auto part1 = static_cast<float>(1 - options_.beta1), part2 = static_cast<float>(1 - options_.beta2);
  const auto epsilon = static_cast<float>(options_.epsilon);
  float* w = state_.weights + row * dim;
  float *first = state_.first_moment + row * dim, *second = state_.second_moment + row * dim;
  for (int64_t d = 0; d < dim; d++) {
    const float g = gradient[d];
    first[d] = beta1 * first[d] + part1 * g;
    second[d] = beta2 * second[d] + part2 * g * g;
    w[d] = shrink * w[d] - rate * first[d] / (std::sqrt(second[d] * per_second) + epsilon);
  }
}

void row_optimizer::normalize(float* w) const {
  double squared = 0;
  for (int64_t d = 0; d < options_.dim; d++) squared += static_cast<double>(w[d]) * w[d];
  const double length = std::sqrt(squared);
  if (length < COSFACE_ZERO_NORM) return;
  for (int64_t d = 0; d < options_.dim; d++) w[d] = static_cast<float>(w[d] / length);
}

}  // namespace cosface
