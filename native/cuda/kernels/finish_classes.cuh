// dw of a chunk of classes from the products: their unit, the targets' terms, the projection. In place.
//
//   in       d_weights [count, D] as the products left it; x of the samples whose target the class is; w
//   out      d_weights; redo [count] on the general path
//   passes   two over each row of dw and of w, a warp each
//   error    double, rounded once; what is in error is the product
#pragma once

#include "cuda/kernels/projection.cuh"
#include "cuda/kernels/sample_gradient.cuh"

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

// Feature d of the sum over a class's own samples of tau_i x^_i.
struct summed_targets {
  const float* embeddings;
  const sample_state* samples;
  const int32_t* order;
  target_range range;
  int64_t dim;

  __device__ double operator()(int64_t d) const {
    double sum = 0;
    for (int64_t k = range.first; k < range.end; k++) {
      const int64_t i = order[k];
      sum += samples[i].target_factor * samples[i].inverse_norm * embeddings[i * dim + d];
    }
    return sum;
  }
};

}  // namespace cosface::cuda

extern "C" __global__ void __launch_bounds__(128) cosface_finish_classes(cosface::cuda::finish_classes_params p) {
  using namespace cosface::cuda;
  const int64_t within = row_of_warp();
  if (within >= p.count) return;
  const int64_t c = p.first + within;
  float* out = p.d_weights + within * p.dim;
  const double unit = p.half_products ? p.scale * exp2(static_cast<double>(pull_exponent(*p.report) - probability_bits))
                                      : gradient_unit(*p.report, p.mean);
  const summed_targets targets{p.embeddings, p.samples, p.order, targets_of_class(p.ordered_labels, p.batch, c), p.dim};
  const auto of_negatives = [&](int64_t d) { return unit * out[d]; };
  const auto of_all = [&](int64_t d) { return of_negatives(d) + targets(d); };
  const float* w = row(p.weights, c, p.dim);
  const projection onto = measure_projection(w, p.dim, of_all);
  if (p.redo != nullptr) {
    const double summed = squared_length_by_warp(p.dim, of_negatives);
    if (lane_of_thread() == 0) p.redo[within] = is_shortened(summed, onto);
  }
  write_projected(out, w, p.dim, onto, of_all);
}
