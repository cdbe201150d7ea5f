#include "cpu/check.h"

#include <cmath>
#include <cstdarg>
#include <cstdio>
#include <numbers>

namespace cosface {
namespace {

constexpr int64_t largest_dim = 1 << 24;
// Beyond, an fp32 cosine times s no longer tells neighbouring logits apart.
constexpr double largest_scale = 1e6;
// Float arrays hold pi rounded up.
constexpr double float_pi = static_cast<float>(std::numbers::pi);

const char* spell(float value) { return std::isnan(value) ? "NaN" : value > 0 ? "Infinity" : "-Infinity"; }

cosface_status not_finite(const char* argument, int64_t index, float value, cosface_error* error) {
  return fill_error(error, COSFACE_ERROR_NOT_FINITE, argument, index,
                    "%s[%lld] is %s, expected a finite number. Check the data and, in training, the learning rate.",
                    argument, static_cast<long long>(index), spell(value));
}

cosface_status check_vector(const char* argument, const float* values, int64_t count, cosface_error* error) {
  if (values == nullptr) return COSFACE_OK;
  for (int64_t i = 0; i < count; i++)
    if (!std::isfinite(values[i])) return not_finite(argument, i, values[i], error);
  return COSFACE_OK;
}

// Logits beyond it are refused too (job.cc), and what is far beyond stands for no logit at all.
constexpr float largest_bias = 1e18f;

cosface_status check_bias(const float* bias, int64_t count, cosface_error* error) {
  if (auto s = check_vector("bias", bias, count, error)) return s;
  for (int64_t i = 0; bias != nullptr && i < count; i++)
    if (std::abs(bias[i]) > largest_bias)
      return fill_error(
          error, COSFACE_ERROR_OPTION, "bias", i,
          "bias[%lld] is %g, expected a number in [-1e18, 1e18]: single precision cannot tell logits beyond "
          "it apart.",
          static_cast<long long>(i), static_cast<double>(bias[i]));
  return COSFACE_OK;
}

struct margin_range {
  const char* name;
  double low;
  bool low_open;
  double high;
  const char* text;

  bool holds(double value) const { return (low_open ? value > low : value >= low) && value <= high; }
};

// The range of a margin given once for all samples, and of one given per sample: adaptive margins
// (AdaFace) reach below zero.
constexpr margin_range common_range[] = {{"m1", 0, true, 16, "(0, 16] (angle multiplier)"},
                                         {"m2", 0, false, float_pi, "[0, pi] (radians)"},
                                         {"m3", 0, false, 2, "[0, 2] (cosine units)"}};
constexpr margin_range sample_range[] = {{"m1", 0, true, 16, "(0, 16] (angle multiplier)"},
                                         {"m2", -float_pi, false, float_pi, "[-pi, pi] (radians)"},
                                         {"m3", -2, false, 2, "[-2, 2] (cosine units)"}};

cosface_status check_margin(const margin_range& range, double value, cosface_error* error) {
  if (range.holds(value)) return COSFACE_OK;
  return fill_error(error, COSFACE_ERROR_OPTION, range.name, -1, "%s is %g, expected a number in %s.", range.name,
                    value, range.text);
}

cosface_status check_labels(const cosface_margin_softmax_problem& p, const cosface_margin_softmax_options& o,
                            const int32_t* labels, cosface_error* error) {
  const int32_t ignore_label = o.ignore_label;
  for (int64_t i = 0; i < p.batch; i++) {
    const int32_t y = labels[i];
    if (y == ignore_label || (y >= 0 && y < p.classes)) continue;
    return fill_error(
        error, COSFACE_ERROR_LABEL_RANGE, "labels", i,
        "labels[%lld] is %d, expected a whole number in [0, %lld) because weights has shape [%lld, %lld], "
        "or %d to ignore the sample. Labels count from zero: subtract 1 if the data set counts from one.",
        static_cast<long long>(i), y, static_cast<long long>(p.classes),
        static_cast<long long>(p.classes * o.sub_centers), static_cast<long long>(p.dim), ignore_label);
  }
  return COSFACE_OK;
}

cosface_status check_sample_margins(const float* values, int64_t batch, const margin_range& range,
                                    cosface_error* error) {
  for (int64_t i = 0; values != nullptr && i < batch; i++) {
    if (range.holds(values[i])) continue;
    return fill_error(error, COSFACE_ERROR_MARGIN_RANGE, "sampleMargins", i,
                      "sampleMargins[%lld] is %g, expected a number in %s because it replaces %s.",
                      static_cast<long long>(i), static_cast<double>(values[i]), range.text, range.name);
  }
  return COSFACE_OK;
}

}  // namespace

cosface_status fill_error(cosface_error* error, cosface_status status, const char* argument, int64_t index,
                          const char* format, ...) {
  if (error == nullptr) return status;
  error->status = status;
  error->index = index;
  std::snprintf(error->argument, sizeof error->argument, "%s", argument);
  std::va_list arguments;
  va_start(arguments, format);
  std::vsnprintf(error->message, sizeof error->message, format, arguments);
  va_end(arguments);
  return status;
}

cosface_status find_in_row(const char* argument, const float* values, int64_t row, int64_t dim, cosface_error* error) {
  for (int64_t d = 0; d < dim; d++)
    if (!std::isfinite(values[d]))
      return fill_error(error, COSFACE_ERROR_NOT_FINITE, argument, row * dim + d,
                        "%s[%lld, %lld] is %s, expected a finite number. Check the data and, in training, the "
                        "learning rate.",
                        argument, static_cast<long long>(row), static_cast<long long>(d), spell(values[d]));
  return COSFACE_OK;
}

cosface_status find_in_matrix(const char* argument, const float* values, int64_t rows, int64_t dim,
                              cosface_error* error) {
  for (int64_t r = 0; r < rows; r++)
    if (auto s = find_in_row(argument, values + r * dim, r, dim, error)) return s;
  return COSFACE_OK;
}

cosface_status check_dimension(const char* argument, const char* letter, int64_t value, int64_t least, int64_t largest,
                               cosface_error* error) {
  if (value >= least && value <= largest) return COSFACE_OK;
  return fill_error(error, COSFACE_ERROR_SHAPE, argument, -1,
                    "%s (%s) is %lld, expected a whole number in [%lld, %lld].", argument, letter,
                    static_cast<long long>(value), static_cast<long long>(least), static_cast<long long>(largest));
}

cosface_status check_dim(int64_t dim, cosface_error* error) {
  return check_dimension("dim", "D", dim, 1, largest_dim, error);
}

cosface_status check_resources(int32_t threads, int64_t workspace_bytes, cosface_error* error) {
  if (threads < 0 || threads > 1024)
    return fill_error(error, COSFACE_ERROR_OPTION, "threads", -1,
                      "threads is %d, expected a whole number in [0, 1024]; 0 means one per processor.", threads);
  if (workspace_bytes < 0)
    return fill_error(error, COSFACE_ERROR_OPTION, "workspaceBytes", -1, "workspaceBytes is %lld, expected >= 0.",
                      static_cast<long long>(workspace_bytes));
  return COSFACE_OK;
}

cosface_status check_present(const char* argument, const void* data, int64_t count, cosface_error* error) {
  if (data != nullptr || count == 0) return COSFACE_OK;
  return fill_error(error, COSFACE_ERROR_SHAPE, argument, -1, "%s is missing.", argument);
}

cosface_status check_shape(const cosface_margin_softmax_problem& p, cosface_error* error) {
  if (auto s = check_dimension("batch", "N", p.batch, 0, largest_count, error)) return s;
  if (auto s = check_dimension("classes", "C", p.classes, 1, largest_count, error)) return s;
  if (p.class_ids != nullptr)
    if (auto s = check_dimension("classIds", "S", p.class_count, 1, p.classes, error)) return s;
  return check_dim(p.dim, error);
}

cosface_status check_options(const cosface_margin_softmax_options& o, cosface_error* error) {
  if (!(o.scale > 0 && o.scale <= largest_scale))
    return fill_error(
        error, COSFACE_ERROR_OPTION, "scale", -1,
        "scale is %g, expected a number in (0, 1e6]. The paper uses 64; leastScale() gives its lower bound.", o.scale);
  const double values[] = {o.m1, o.m2, o.m3};
  for (int k = 0; k < 3; k++)
    if (auto s = check_margin(common_range[k], values[k], error)) return s;
  if (o.reduction < COSFACE_REDUCTION_NONE || o.reduction > COSFACE_REDUCTION_SUM)
    return fill_error(error, COSFACE_ERROR_OPTION, "reduction", -1, "reduction is %d, expected none, mean or sum.",
                      static_cast<int>(o.reduction));
  if (o.gradient != COSFACE_GRADIENT_EXACT && o.gradient != COSFACE_GRADIENT_DETACHED)
    return fill_error(error, COSFACE_ERROR_OPTION, "gradient", -1, "gradient is %d, expected exact or detached.",
                      static_cast<int>(o.gradient));
  if (o.precision < COSFACE_PRECISION_FP32 || o.precision > COSFACE_PRECISION_BF16)
    return fill_error(error, COSFACE_ERROR_OPTION, "precision", -1,
                      "precision is %d, expected fp32, bf16-gradients or bf16.", static_cast<int>(o.precision));
  if (!(o.gradient_tolerance >= 0 && o.gradient_tolerance < 1))
    return fill_error(error, COSFACE_ERROR_OPTION, "gradientTolerance", -1,
                      "gradientTolerance is %g, expected a number in [0, 1): the part of each sample's probability "
                      "that its gradients may leave out. 0 leaves out nothing; 1e-3 is a good start.",
                      o.gradient_tolerance);
  if (auto s = check_family(o, error)) return s;
  return check_resources(o.threads, o.workspace_bytes, error);
}

cosface_status check_buffers(const cosface_margin_softmax_problem& p, const cosface_margin_softmax_options& o,
                             const cosface_margin_softmax_results& r, bool updates, cosface_error* error) {
  const struct {
    const char* name;
    const void* data;
    int64_t count;
  } required[] = {
      {"embeddings", p.embeddings, p.batch}, {"weights", p.weights, p.classes}, {"labels", p.labels, p.batch}};
  for (const auto& buffer : required)
    if (auto s = check_present(buffer.name, buffer.data, buffer.count, error)) return s;
  const bool no_samples = p.batch == 0;  // an empty array may have a null pointer
  if (!updates && (r.d_embeddings != nullptr) != (r.d_weights != nullptr) && !no_samples)
    return fill_error(error, COSFACE_ERROR_SHAPE, r.d_weights == nullptr ? "dWeights" : "dEmbeddings", -1,
                      "dEmbeddings and dWeights are produced together: give both or neither.");
  if (p.loss_gradient != nullptr && o.reduction != COSFACE_REDUCTION_NONE)
    return fill_error(
        error, COSFACE_ERROR_OPTION, "reduction", -1,
        "reduction must be none where lossGradient is given: the gradient of each sample's loss says all.");
  if (!updates && r.d_bias != nullptr && r.d_weights == nullptr && !no_samples)
    return fill_error(error, COSFACE_ERROR_SHAPE, "dBias", -1,
                      "dBias is produced with dEmbeddings and dWeights: give all three or leave it out.");
  return COSFACE_OK;
}

cosface_status check_samples(const cosface_margin_softmax_problem& p, const cosface_margin_softmax_options& o,
                             const int32_t* labels, cosface_error* error) {
  if (auto s = check_labels(p, o, labels, error)) return s;
  if (auto s = check_vector("sampleWeights", p.sample_weights, p.batch, error)) return s;
  const float* own[] = {p.sample_m1, p.sample_m2, p.sample_m3};
  for (int k = 0; k < 3; k++)
    if (auto s = check_sample_margins(own[k], p.batch, sample_range[k], error)) return s;
  if (auto s = check_bias(p.bias, o.form == COSFACE_FORM_BINARY ? 1 : p.classes, error)) return s;
  return check_vector("lossGradient", p.loss_gradient, p.batch, error);
}

cosface_status check_class_ids(const cosface_margin_softmax_problem& p, const int32_t* class_ids,
                               cosface_error* error) {
  int64_t before = -1;
  for (int64_t k = 0; k < p.class_count; before = class_ids[k], k++) {
    if (class_ids[k] > before && class_ids[k] < p.classes) continue;
    return fill_error(error, COSFACE_ERROR_OPTION, "classIds", k,
                      "classIds[%lld] is %d, expected whole numbers in [0, %lld), each above the one before. Sort them "
                      "and leave out doubles.",
                      static_cast<long long>(k), class_ids[k], static_cast<long long>(p.classes));
  }
  return COSFACE_OK;
}

cosface_status label_not_sampled(int64_t index, int32_t label, cosface_error* error) {
  return fill_error(
      error, COSFACE_ERROR_LABEL_RANGE, "labels", index,
      "labels[%lld] is %d, which is not in classIds, expected the class of every sample that counts to be "
      "among those that take part. sampleClasses() puts them there.",
      static_cast<long long>(index), label);
}

cosface_status find_not_finite(const cosface_margin_softmax_problem& p, const cosface_margin_softmax_options& o,
                               const int32_t* class_ids, cosface_error* error) {
  if (auto s = find_in_matrix("embeddings", p.embeddings, p.batch, p.dim, error)) return s;
  if (class_ids == nullptr) return find_in_matrix("weights", p.weights, p.classes * o.sub_centers, p.dim, error);
  for (int64_t k = 0; k < p.class_count; k++)
    if (auto s = find_in_row("weights", p.weights + class_ids[k] * p.dim, class_ids[k], p.dim, error)) return s;
  return COSFACE_OK;
}

}  // namespace cosface

extern "C" const char* cosface_status_code(cosface_status status) {
  switch (status) {
    case COSFACE_OK: return "COSFACE_OK";
    case COSFACE_ERROR_SHAPE: return "COSFACE_SHAPE";
    case COSFACE_ERROR_OPTION: return "COSFACE_OPTION_RANGE";
    case COSFACE_ERROR_LABEL_RANGE: return "COSFACE_LABEL_RANGE";
    case COSFACE_ERROR_NOT_FINITE: return "COSFACE_NOT_FINITE";
    case COSFACE_ERROR_MARGIN_RANGE: return "COSFACE_MARGIN_RANGE";
    case COSFACE_ERROR_ENVIRONMENT: return "COSFACE_ENVIRONMENT";
    case COSFACE_ERROR_OUT_OF_MEMORY: return "COSFACE_OUT_OF_MEMORY";
    case COSFACE_ERROR_UNSUPPORTED: return "COSFACE_UNSUPPORTED";
    case COSFACE_ERROR_DEVICE_UNAVAILABLE: return "COSFACE_DEVICE_UNAVAILABLE";
    case COSFACE_ERROR_DEVICE_FAILED: return "COSFACE_DEVICE_FAILED";
  }
  return "COSFACE_UNKNOWN";
}
