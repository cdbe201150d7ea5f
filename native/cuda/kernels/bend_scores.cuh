// From the scores of a chunk of classes to what the gradient products multiply, where that is more than an exponential:
// V of the other classes, the inter-class filter, sub-centers, lengths that are kept, biases, the binary form. In
// place.
//
//   in       scores [row of w][sample] v; samples, targets, shifts [padded N]; biases
//   out      softmax: e = 2^(logit + shift) dV/dv, binary form: sigmoid dV/dv; of a class's K rows for the nearest
//   alone;
//            0 for the target, for what does not count and for the padding. Per run of classes and sample a
//            bent_partial; target_seen. With the aim row_maxima nothing but the partials' largest logits
//   grid     padded N / 128 x runs; a thread goes down the classes of its run for one sample, neighbouring samples side
//            by side. 8 bytes an element of traffic beside the 6 D flops of the products
//   range    logits below 1e30; e at the fixed shift as in logits_fp32 with V's own bounds (plan.cc), or at the row's
//   error    V, its slope and the logit to a few 2^-24 of V's terms; ex2.approx 2^-22; sums of 32 terms in fp32, then
//            double
//
// fold_runs joins the runs of a chunk, as fold_tiles does the tiles.
#pragma once

#include "cuda/kernels/count_samples.cuh"
#include "cuda/kernels/exact_scores.cuh"

namespace cosface::cuda {

constexpr int classes_per_sum = 32;

// What the row of one sample makes of a score.
struct bending {
  negative_options<float> options;
  sample_rule_of<float> rule;
  float base2_scale, shift;
  float binary_shift;
  bool binary;
};

struct bent_score {
  float logit, slope;  // base 2; dV / dv
  float term, pull;    // as exact_negative
  bool counts;
};

__device__ inline bending bending_of(const source_problem& p, const sample_state& state, float shift) {
  return {negative_options_of<float>(p.options),
          {static_cast<float>(state.target_value), static_cast<float>(state.m3)},
          static_cast<float>(p.base2_scale),
          shift,
          static_cast<float>(binary_shift(p) * log2e),
          is_binary(p)};
}

// `bias` in base 2.
__device__ inline bent_score bend_score(const bending& b, float v, float bias) {
  const negative_point<float> point = negative_formula_of(v, b.rule, b.options);
  bent_score out{b.base2_scale * point.value + bias, point.slope, 0, 0, point.counts};
  if (!b.binary) {
    out.term = out.pull = gpu::exp2_approximate(out.logit + b.shift);
    return out;
  }
  out.logit += b.binary_shift;
  const float tail = gpu::exp2_approximate(-fabsf(out.logit));
  out.term = fmaxf(out.logit, 0) * static_cast<float>(ln2) + log1pf(tail);
  out.pull = (out.logit > 0 ? 1 : tail) / (1 + tail);
  return out;
}

// A thread's way down its run.
struct run_sums {
  double sum, slopes;
  float few_terms, few_pulls;  // of at most classes_per_sum
  float best, top, top_slope;
  int32_t best_class, top_row;

  __device__ void flush() {
    sum += few_terms;
    slopes += few_pulls;
    few_terms = few_pulls = 0;
  }
};

struct nearest_score {
  float score;
  int64_t row;  // within the chunk
};

// Leaves 0 in all rows of the class, where they are to be replaced.
__device__ inline nearest_score take_nearest(float* column, int64_t stride, int64_t first, int centers, bool replace) {
  nearest_score nearest{column[first * stride], first};
  for (int64_t r = first + 1; r < first + centers; r++)
    if (column[r * stride] > nearest.score) nearest = {column[r * stride], r};
  for (int64_t r = first; replace && r < first + centers; r++) column[r * stride] = 0;
  return nearest;
}

__device__ inline void take_class(const bend_scores_params& p, const bending& b, int64_t i, int64_t within,
                                  int32_t target, run_sums& sums) {
  const int centers = p.problem.weights.centers;
  const bool exponentials = p.aim == logit_aim::exponentials;
  const int64_t c = p.first_class + within;
  const nearest_score nearest = take_nearest(p.scores + i, p.padded_batch, within * centers, centers, exponentials);
  const float bias = p.problem.bias == nullptr ? 0 : p.problem.bias[c] * static_cast<float>(log2e);
  const float plain = b.base2_scale * nearest.score + bias;
  if (c == target) {
    if (exponentials) p.target_seen[i] = plain;
    return;
  }
  if (plain > sums.best) {
    sums.best = plain;
    sums.best_class = static_cast<int32_t>(c);
  }
  const bent_score bent = bend_score(b, nearest.score, bias);
  if (!bent.counts) return;
  if (bent.logit > sums.top) {
    sums.top = bent.logit;
    sums.top_slope = bent.slope;
    sums.top_row = static_cast<int32_t>(p.first_class * centers + nearest.row);
  }
  if (!exponentials) return;
  sums.few_terms += bent.term;
  sums.few_pulls += bent.pull;
  p.scores[nearest.row * p.padded_batch + i] = bent.pull * bent.slope;
}

__device__ inline void clear_rows(const bend_scores_params& p, int64_t i, int64_t first, int64_t end) {
  for (int64_t r = first; r < end; r++) p.scores[r * p.padded_batch + i] = 0;
}

}  // namespace cosface::cuda

extern "C" __global__ void __launch_bounds__(128) cosface_bend_scores(cosface::cuda::bend_scores_params p) {
  using namespace cosface::cuda;
  const int64_t i = sample_of_thread();
  if (i >= p.padded_batch) return;
  const int64_t first = static_cast<int64_t>(blockIdx.y) * p.classes_per_run;
  const int64_t last = first + p.classes_per_run, end = last < p.classes ? last : p.classes;
  const int centers = p.problem.weights.centers;
  run_sums sums{0, 0, 0, 0, no_logit, no_logit, 0, -1, -1};
  if (i < p.problem.batch) {
    const bending b = bending_of(p.problem, p.problem.samples[i], p.shifts[i]);
    const int32_t target = p.problem.targets[i];
    for (int64_t within = first; within < end; within++) {
      take_class(p, b, i, within, target, sums);
      if ((within - first) % classes_per_sum == classes_per_sum - 1) sums.flush();
    }
    sums.flush();
  } else if (p.aim == logit_aim::exponentials) {
    clear_rows(p, i, first * centers, end * centers);
  }
  if (p.aim == logit_aim::exponentials && end == p.classes) clear_rows(p, i, end * centers, p.padded_rows);
  p.runs[blockIdx.y * p.padded_batch + i] = {sums.sum, sums.slopes,    sums.best,    sums.best_class,
                                             sums.top, sums.top_slope, sums.top_row, 0};
}

extern "C" __global__ void __launch_bounds__(128) cosface_fold_runs(cosface::cuda::fold_runs_params p) {
  using namespace cosface::cuda;
  const int64_t i = sample_of_thread();
  if (i >= p.padded_batch) return;
  bent_partial partial{0, 0, no_logit, -1, no_logit, 0, -1, p.shifts[i]};
  if (!p.first_chunk) partial = p.partials[i];
  for (int64_t k = i; k < p.count * p.padded_batch; k += p.padded_batch) {
    const bent_partial& run = p.runs[k];
    partial.sum += run.sum;
    partial.slopes += run.slopes;
    if (run.best > partial.best) {
      partial.best = run.best;
      partial.best_class = run.best_class;
    }
    if (run.top > partial.top) {
      partial.top = run.top;
      partial.top_slope = run.top_slope;
      partial.top_row = run.top_row;
    }
  }
  p.partials[i] = partial;
  if (p.aim == logit_aim::row_maxima && p.last_chunk) p.shifts[i] = partial.top > no_logit ? -ceilf(partial.top) : 0;
}
