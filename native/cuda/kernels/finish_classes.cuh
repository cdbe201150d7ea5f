// dw of a chunk of classes from the products: their unit, the targets' terms, the projection. In place.
//
//   in       d_weights [count, D] as the products left it; x of the samples whose target the row is; w; with label
//            smoothing the sum over all samples
//   out      d_weights; redo [count] on the general path
//   passes   two over each row of dw and of w, a warp each
//   error    double, rounded once; what is in error is the product
#pragma once

#include "cuda/kernels/prepare_rows.cuh"
#include "cuda/kernels/projection.cuh"

namespace cosface::cuda {

// Places in the ordered labels: the samples of one class.
struct target_range {
  int64_t first, end;
};

__device__ inline int64_t first_not_below(const int32_t* ordered_labels, int64_t count, int64_t label) {
  int64_t first = 0;
  while (count > 0) {
    const int64_t half = count / 2;
    if (ordered_labels[first + half] < label) {
      first += half + 1;
      count -= half + 1;
    } else {
      count = half;
    }
  }
  return first;
}

__device__ inline target_range targets_of_class(const int32_t* ordered_labels, int64_t batch, int64_t c) {
  target_range range{first_not_below(ordered_labels, batch, c), 0};
  for (range.end = range.first; range.end < batch && ordered_labels[range.end] == c;) range.end++;
  return range;
}

// What a row of w has from the samples of its class, of those that it is the nearest to.
struct summed_targets {
  const source_problem& p;
  const int32_t* order;
  target_range range;
  int64_t row;

  // Feature d of the sum of tau_i x^_i, and with label smoothing of what was taken for another class.
  __device__ double operator()(int64_t d) const {
    double sum = 0;
    for (int64_t k = range.first; k < range.end; k++) {
      const int64_t i = order[k];
      const sample_state& state = p.samples[i];
      if (state.target_row != row) continue;
      sum += (state.target_factor - state.smoothed) * state.factor * p.embeddings[i * p.dim + d];
    }
    return sum;
  }

  // Along w itself, where its length counts.
  __device__ double along() const {
    double sum = 0;
    for (int64_t k = range.first; k < range.end; k++) {
      const sample_state& state = p.samples[order[k]];
      if (state.target_row == row) sum += state.along * state.length;
    }
    return sum;
  }
};

__device__ inline summed_targets targets_of_row(const source_problem& p, const int32_t* order,
                                                const int32_t* ordered_labels, int64_t r) {
  return {p, order, targets_of_class(ordered_labels, p.batch, class_of_row(p.weights, r)), r};
}

// What w is multiplied with for that.
__device__ inline double along_row(const summed_targets& targets, const float* w) {
  const source_problem& p = targets.p;
  return p.weights.normalised ? 0 : targets.along() * inverse_of_norm(squared_norm_by_warp(w, p.dim));
}

}  // namespace cosface::cuda

extern "C" __global__ void __launch_bounds__(128) cosface_finish_classes(cosface::cuda::finish_classes_params p) {
  using namespace cosface::cuda;
  const source_problem& whole = p.problem;
  const int64_t within = row_of_warp();
  if (within >= p.count) return;
  const int64_t r = p.first + within, dim = whole.dim;
  float* out = p.d_weights + within * dim;
  const double unit = p.half_products
                          ? whole.options.scale * exp2(static_cast<double>(pull_exponent(*p.report) - probability_bits))
                          : gradient_unit(*p.report, p.mean);
  const summed_targets targets = targets_of_row(whole, p.order, p.ordered_labels, r);
  const float* w = row(whole.weights, r, dim);
  const double along = along_row(targets, w);
  const auto of_negatives = [&](int64_t d) { return unit * out[d] + (p.sample_sum == nullptr ? 0 : p.sample_sum[d]); };
  const auto of_all = [&](int64_t d) { return of_negatives(d) + targets(d) + along * w[d]; };
  const projection onto = measure_projection(w, dim, whole.weights.normalised, of_all);
  if (p.redo != nullptr) {
    const double summed = squared_length_by_warp(dim, of_negatives);
    if (lane_of_thread() == 0) p.redo[within] = is_shortened(summed, onto);
  }
  write_projected(out, w, dim, onto, of_all);
}
