#include "reference/margin_softmax_reference.h"

#include <algorithm>
#include <cmath>

#include "reference/negative_logit.h"
#include "reference/target_logit.h"

namespace cosface {
namespace {

double dot(const double* a, const double* b, int64_t n) {
  double sum = 0;
  for (int64_t k = 0; k < n; k++) sum += a[k] * b[k];
  return sum;
}

// Rows as the scores see them, and as unit vectors.
struct factor_rows {
  std::vector<double> rows, units;  // [count, D]; the unit of a zero row is 0
  std::vector<double> norm;         // [count]
  bool normalised;

  // What is not normalised away of a row's length.
  double length(int64_t r) const { return normalised ? 1 : norm[r]; }
};

factor_rows factor_of(const std::vector<double>& matrix, int64_t count, int64_t dim, bool normalised) {
  factor_rows f{matrix, matrix, std::vector<double>(count), normalised};
  for (int64_t r = 0; r < count; r++) {
    double* row = &f.units[r * dim];
    f.norm[r] = std::sqrt(dot(row, row, dim));
    for (int64_t d = 0; d < dim; d++) row[d] = f.norm[r] < COSFACE_ZERO_NORM ? 0.0 : row[d] / f.norm[r];
  }
  if (normalised) f.rows = f.units;
  return f;
}

// g -> (g - (g . u) u) / |row|: the gradient through u = row / |row|.
void through_normalisation(std::vector<double>& gradient, const factor_rows& f, int64_t dim) {
  if (!f.normalised) return;
  for (size_t r = 0; r < f.norm.size(); r++) {
    double* g = &gradient[r * dim];
    const double* u = &f.units[r * dim];
    const double along = dot(g, u, dim), inverse = f.norm[r] < COSFACE_ZERO_NORM ? 0 : 1 / f.norm[r];
    for (int64_t d = 0; d < dim; d++) g[d] = (g[d] - along * u[d]) * inverse;
  }
}

double at(const std::vector<double>& values, int64_t i, double otherwise) {
  return values.empty() ? otherwise : values[i];
}

bool counts(const reference_problem& p, const cosface_margin_softmax_options& o, int64_t i) {
  return p.labels[i] != o.ignore_label && at(p.sample_weights, i, 1) != 0;
}

double softplus(double u) { return std::max(u, 0.0) + std::log1p(std::exp(-std::abs(u))); }
double sigmoid(double u) { return u > 0 ? 1 / (1 + std::exp(-u)) : std::exp(u) / (1 + std::exp(u)); }

// The logits of one sample, and which of the other classes count.
struct row_logits {
  std::vector<double> z;      // [C]
  std::vector<double> slope;  // [C] dz / dv over s
  std::vector<bool> counts;   // [C]
};

// Its loss and the derivatives by the logits.
struct row_loss {
  double loss = 0;
  std::vector<double> d_logits;  // [C]
};

// -log softmax(z)[y] without the cancellation of lse - z_y: softplus of log(sum of the others) - z_y. With label
// smoothing e, lse - (1 - e) z_y - e mean z = that + e (z_y - mean z).
row_loss softmax_row(const row_logits& row, int32_t label, double smoothing) {
  const int64_t classes = static_cast<int64_t>(row.z.size());
  row_loss out{0, std::vector<double>(classes)};
  double highest = -INFINITY;
  for (int64_t c = 0; c < classes; c++)
    if (row.counts[c] && c != label) highest = std::max(highest, row.z[c]);
  if (highest == -INFINITY) return out;  // no other class: the target is certain
  double sum = 0, total = row.z[label];
  int64_t number = 1;
  for (int64_t c = 0; c < classes; c++) {
    if (!row.counts[c] || c == label) continue;
    sum += out.d_logits[c] = std::exp(row.z[c] - highest);
    total += row.z[c];
    number++;
  }
  const double u = highest + std::log(sum) - row.z[label];
  const double each = smoothing / static_cast<double>(number);
  out.loss = softplus(u) + smoothing * row.z[label] - each * total;
  for (int64_t c = 0; c < classes; c++)
    if (row.counts[c] && c != label) out.d_logits[c] = out.d_logits[c] * sigmoid(u) / sum - each;
  out.d_logits[label] = -sigmoid(u) + smoothing - each;
  return out;
}

row_loss binary_row(const row_logits& row, int32_t label, double bias, const cosface_margin_softmax_options& o) {
  const int64_t classes = static_cast<int64_t>(row.z.size());
  row_loss out{0, std::vector<double>(classes)};
  const double own = -(row.z[label] + bias), shift = o.scale * o.negative_margin + bias;
  out.loss = o.positive_weight * softplus(own);
  for (int64_t c = 0; c < classes; c++) {
    if (!row.counts[c] || c == label) continue;
    out.loss += o.negative_weight * softplus(row.z[c] + shift);
    out.d_logits[c] = o.negative_weight * sigmoid(row.z[c] + shift);
  }
  out.d_logits[label] = -o.positive_weight * sigmoid(own);
  return out;
}

std::vector<double> widened(const float* values, int64_t count) {
  return values == nullptr ? std::vector<double>() : std::vector<double>(values, values + count);
}

class reference_run {
 public:
  reference_run(const reference_problem& p, const cosface_margin_softmax_options& o)
      : p_(p),
        o_(o),
        x_(factor_of(p.embeddings, p.batch, p.dim, o.normalize_embeddings)),
        w_(factor_of(p.weights, p.classes * o.sub_centers, p.dim, o.normalize_weights)),
        scores_(p.classes),
        nearest_(p.classes) {}

  reference_results run() {
    const int64_t batch = p_.batch;
    for (std::vector<double>* per_sample : {&out_.loss, &out_.target_cosine, &out_.d_sample_weights, &out_.d_sample_m1,
                                            &out_.d_sample_m2, &out_.d_sample_m3})
      per_sample->resize(batch);
    out_.prediction.resize(batch);
    out_.d_embeddings.resize(p_.embeddings.size());
    out_.d_weights.resize(p_.weights.size());
    out_.d_bias.resize(o_.form == COSFACE_FORM_BINARY ? 1 : p_.classes);
    for (int64_t i = 0; i < batch; i++) out_.counted += counts(p_, o_, i);
    const bool mean = o_.reduction == COSFACE_REDUCTION_MEAN;
    share_ = mean && out_.counted > 0 ? 1.0 / static_cast<double>(out_.counted) : 1.0;
    for (int64_t i = 0; i < batch; i++) {
      score(i);
      if (p_.labels[i] != o_.ignore_label) lose(i);
    }
    through_normalisation(out_.d_embeddings, x_, p_.dim);
    through_normalisation(out_.d_weights, w_, p_.dim);
    return out_;
  }

 private:
  const double* x(int64_t i) const { return &x_.rows[i * p_.dim]; }
  const double* w(int64_t row) const { return &w_.rows[row * p_.dim]; }
  bool binary() const { return o_.form == COSFACE_FORM_BINARY; }
  double bias(int64_t c) const { return binary() ? 0 : at(p_.bias, c, 0); }

  // v of every class, the row of w that gives it, and the prediction.
  void score(int64_t i) {
    double best = -INFINITY;
    for (int64_t c = 0; c < p_.classes; c++) {
      scores_[c] = -INFINITY;
      for (int64_t row = c * o_.sub_centers; row < (c + 1) * o_.sub_centers; row++) {
        const double v = dot(x(i), w(row), p_.dim);
        if (v > scores_[c]) scores_[c] = v, nearest_[c] = row;
      }
      const double z = o_.scale * scores_[c] + bias(c);
      if (z > best) best = z, out_.prediction[i] = static_cast<int32_t>(c);
    }
  }

  void lose(int64_t i) {
    const int32_t y = p_.labels[i];
    const double lengths = x_.length(i) * w_.length(nearest_[y]);
    const double cosine = dot(&x_.units[i * p_.dim], &w_.units[nearest_[y] * p_.dim], p_.dim);
    const margins m{at(p_.sample_m1, i, o_.m1), at(p_.sample_m2, i, o_.m2), at(p_.sample_m3, i, o_.m3)};
    const target_logit target = target_logit_of(cosine, m, o_);
    row_logits row{std::vector<double>(p_.classes), std::vector<double>(p_.classes), std::vector<bool>(p_.classes)};
    for (int64_t c = 0; c < p_.classes; c++) {
      const negative_logit v = negative_logit_of(scores_[c], {target.value, m.m3}, o_);
      row.z[c] = o_.scale * v.value + bias(c);
      row.slope[c] = v.slope;
      row.counts[c] = v.counts;
    }
    row.z[y] = o_.scale * lengths * target.value + bias(y);
    row.slope[y] = target.slope;
    const row_loss loss =
        binary() ? binary_row(row, y, o_.bias_sign * at(p_.bias, 0, 0), o_) : softmax_row(row, y, o_.label_smoothing);
    const double weight = at(p_.sample_weights, i, 1), per_loss = share_ * at(p_.loss_gradient, i, 1);
    out_.loss[i] = weight * loss.loss;
    out_.target_cosine[i] = cosine;
    out_.reduced_loss += out_.loss[i] * share_;
    out_.d_sample_weights[i] = per_loss * loss.loss;
    const double upstream = weight * per_loss, by_margin = upstream * loss.d_logits[y] * o_.scale * lengths;
    out_.d_sample_m1[i] = by_margin * target.by.m1;
    out_.d_sample_m2[i] = by_margin * target.by.m2;
    out_.d_sample_m3[i] = by_margin * target.by.m3;
    for (int64_t c = 0; c < p_.classes; c++) add_class(i, c, upstream * loss.d_logits[c], row.slope[c]);
    // z_y = s q M(cos): what q adds to the part through cos, along the rows themselves.
    const double along = upstream * loss.d_logits[y] * o_.scale * (target.value - cosine * target.slope);
    for (int64_t d = 0; d < p_.dim; d++) {
      const int64_t here = i * p_.dim + d, there = nearest_[y] * p_.dim + d;
      if (!x_.normalised) out_.d_embeddings[here] += along * w_.length(nearest_[y]) * x_.units[here];
      if (!w_.normalised) out_.d_weights[there] += along * x_.length(i) * w_.units[there];
    }
  }

  void add_class(int64_t i, int64_t c, double d_logit, double slope) {
    out_.d_bias[binary() ? 0 : c] += binary() ? o_.bias_sign * d_logit : d_logit;
    const double d_score = d_logit * o_.scale * slope;
    for (int64_t d = 0; d < p_.dim; d++) {
      out_.d_embeddings[i * p_.dim + d] += d_score * w(nearest_[c])[d];
      out_.d_weights[nearest_[c] * p_.dim + d] += d_score * x(i)[d];
    }
  }

  const reference_problem& p_;
  const cosface_margin_softmax_options& o_;
  const factor_rows x_, w_;
  std::vector<double> scores_;    // [C]
  std::vector<int64_t> nearest_;  // [C]
  double share_ = 1;
  reference_results out_;
};

// The rows of the classes that take part as a problem of their own, whose labels are positions among them.
reference_problem take_classes(const reference_problem& p, int32_t ignore_label) {
  reference_problem part = p;
  part.classes = static_cast<int64_t>(p.class_ids.size());
  part.class_ids.clear();
  part.weights.clear();
  for (const int32_t c : p.class_ids)
    part.weights.insert(part.weights.end(), &p.weights[c * p.dim], &p.weights[c * p.dim] + p.dim);
  for (int32_t& y : part.labels) {
    const auto found = std::find(p.class_ids.begin(), p.class_ids.end(), y);
    y = y == ignore_label ? -1 : static_cast<int32_t>(found - p.class_ids.begin());
  }
  return part;
}

}  // namespace

reference_problem widen(const cosface_margin_softmax_problem& p, int64_t sub_centers, bool one_bias) {
  reference_problem r{};
  r.batch = p.batch;
  r.classes = p.classes;
  r.dim = p.dim;
  r.embeddings = widened(p.embeddings, p.batch * p.dim);
  r.weights = widened(p.weights, p.classes * sub_centers * p.dim);
  r.labels.assign(p.labels, p.labels + p.batch);
  r.sample_weights = widened(p.sample_weights, p.batch);
  r.sample_m1 = widened(p.sample_m1, p.batch);
  r.sample_m2 = widened(p.sample_m2, p.batch);
  r.sample_m3 = widened(p.sample_m3, p.batch);
  r.loss_gradient = widened(p.loss_gradient, p.batch);
  r.bias = widened(p.bias, one_bias ? 1 : p.classes);
  if (p.class_ids) r.class_ids.assign(p.class_ids, p.class_ids + p.class_count);
  return r;
}

reference_results margin_softmax_reference(const reference_problem& p, const cosface_margin_softmax_options& o) {
  if (p.class_ids.empty()) return reference_run(p, o).run();
  cosface_margin_softmax_options of_part = o;
  of_part.ignore_label = -1;
  const reference_problem part = take_classes(p, o.ignore_label);
  reference_results out = reference_run(part, of_part).run();
  for (int32_t& c : out.prediction) c = p.class_ids[c];
  return out;
}

}  // namespace cosface
