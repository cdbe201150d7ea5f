#include "reference/margin_softmax_reference.h"

#include <cmath>

#include "reference/margin.h"

namespace cosface {
namespace {

double dot(const double* a, const double* b, int64_t n) {
  double sum = 0;
  for (int64_t k = 0; k < n; k++) sum += a[k] * b[k];
  return sum;
}

struct unit_rows {
  std::vector<double> rows;          // [count, D], zero rows stay zero
  std::vector<double> inverse_norm;  // [count], 0 for zero rows
};

unit_rows normalise(const std::vector<double>& matrix, int64_t count, int64_t dim) {
  unit_rows unit{matrix, std::vector<double>(count)};
  for (int64_t r = 0; r < count; r++) {
    double* row = &unit.rows[r * dim];
    const double norm = std::sqrt(dot(row, row, dim));
    const bool zero = norm < COSFACE_ZERO_NORM;
    unit.inverse_norm[r] = zero ? 0.0 : 1.0 / norm;
    for (int64_t d = 0; d < dim; d++) row[d] = zero ? 0.0 : row[d] / norm;
  }
  return unit;
}

// g -> (g - (g . u) u) / |row|: the gradient through u = row / |row|.
void through_normalisation(std::vector<double>& gradient, const unit_rows& unit, int64_t count, int64_t dim) {
  for (int64_t r = 0; r < count; r++) {
    double* g = &gradient[r * dim];
    const double* u = &unit.rows[r * dim];
    const double along = dot(g, u, dim);
    for (int64_t d = 0; d < dim; d++) g[d] = (g[d] - along * u[d]) * unit.inverse_norm[r];
  }
}

bool counts(const reference_problem& p, const cosface_margin_softmax_options& o, int64_t i) {
  return p.labels[i] != o.ignore_label && (p.sample_weights.empty() || p.sample_weights[i] != 0.0f);
}

// -log softmax(z)[y] without the cancellation of lse - z_y: softplus of log(sum of the others) - z_y.
struct row_loss {
  double loss;
  double miss;                 // 1 - p_y
  std::vector<double> others;  // p_c for c != y, 0 at y
};

row_loss softmax_row(const std::vector<double>& logits, int32_t label) {
  const int64_t classes = static_cast<int64_t>(logits.size());
  row_loss row{0, 0, std::vector<double>(classes)};
  if (classes == 1) return row;
  double highest = -INFINITY;
  for (int64_t c = 0; c < classes; c++)
    if (c != label && logits[c] > highest) highest = logits[c];
  double sum = 0;
  for (int64_t c = 0; c < classes; c++)
    if (c != label) sum += row.others[c] = std::exp(logits[c] - highest);
  const double u = highest + std::log(sum) - logits[label];
  row.loss = u > 0 ? u + std::log1p(std::exp(-u)) : std::log1p(std::exp(u));
  row.miss = u > 0 ? 1 / (1 + std::exp(-u)) : std::exp(u) / (1 + std::exp(u));
  for (double& p : row.others) p *= row.miss / sum;
  return row;
}

}  // namespace

reference_problem widen(const cosface_margin_softmax_problem& p) {
  reference_problem r{p.batch, p.classes, p.dim, {}, {}, {}, {}, {}, {}};
  r.embeddings.assign(p.embeddings, p.embeddings + p.batch * p.dim);
  r.weights.assign(p.weights, p.weights + p.classes * p.dim);
  r.labels.assign(p.labels, p.labels + p.batch);
  if (p.sample_weights) r.sample_weights.assign(p.sample_weights, p.sample_weights + p.batch);
  if (p.sample_margins) r.sample_margins.assign(p.sample_margins, p.sample_margins + p.batch);
  if (p.loss_gradient) r.loss_gradient.assign(p.loss_gradient, p.loss_gradient + p.batch);
  return r;
}

reference_results margin_softmax_reference(const reference_problem& p, const cosface_margin_softmax_options& o) {
  const int64_t N = p.batch, C = p.classes, D = p.dim;
  const unit_rows x = normalise(p.embeddings, N, D), w = normalise(p.weights, C, D);
  reference_results out;
  out.loss.resize(N);
  out.target_cosine.resize(N);
  out.prediction.resize(N);
  out.d_embeddings.resize(N * D);
  out.d_weights.resize(C * D);
  for (int64_t i = 0; i < N; i++) out.counted += counts(p, o, i);
  const bool mean = o.reduction == COSFACE_REDUCTION_MEAN;
  const double share = mean && out.counted > 0 ? 1.0 / static_cast<double>(out.counted) : 1.0;

  std::vector<double> logits(C);
  for (int64_t i = 0; i < N; i++) {
    const double* xi = &x.rows[i * D];
    int32_t best = 0;
    for (int64_t c = 0; c < C; c++) {
      logits[c] = dot(xi, &w.rows[c * D], D);
      if (logits[c] > logits[best]) best = static_cast<int32_t>(c);
    }
    out.prediction[i] = best;
    const int32_t y = p.labels[i];
    if (y == o.ignore_label) continue;
    out.target_cosine[i] = logits[y];
    const margins m = sample_margins_of({o.m1, o.m2, o.m3}, o.sample_margin_term,
                                        p.sample_margins.empty() ? nullptr : &p.sample_margins[i]);
    const margined_cosine target = apply_margin(logits[y], m, o.gradient);
    for (double& z : logits) z *= o.scale;
    logits[y] = o.scale * target.value;
    const row_loss row = softmax_row(logits, y);
    const double weight = p.sample_weights.empty() ? 1.0 : p.sample_weights[i];
    out.loss[i] = weight * row.loss;
    out.reduced_loss += out.loss[i] * share;

    const double upstream = weight * share * (p.loss_gradient.empty() ? 1.0 : p.loss_gradient[i]);
    for (int64_t c = 0; c < C; c++) {
      const double d_cosine = upstream * o.scale * (c == y ? -row.miss * target.slope : row.others[c]);
      for (int64_t d = 0; d < D; d++) {
        out.d_embeddings[i * D + d] += d_cosine * w.rows[c * D + d];
        out.d_weights[c * D + d] += d_cosine * xi[d];
      }
    }
  }
  through_normalisation(out.d_embeddings, x, N, D);
  through_normalisation(out.d_weights, w, C, D);
  return out;
}

}  // namespace cosface
