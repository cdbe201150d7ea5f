#include "addon/margin_softmax_call.h"

#include <cstdint>
#include <iterator>
#include <string>

#include "addon/call_arguments.h"
#include "addon/js_error.h"
#include "cosface/sample_margins.h"

namespace cosface {
namespace {

constexpr choice reductions[] = {
    {"none", COSFACE_REDUCTION_NONE}, {"mean", COSFACE_REDUCTION_MEAN}, {"sum", COSFACE_REDUCTION_SUM}};
constexpr choice gradients[] = {{"exact", COSFACE_GRADIENT_EXACT}, {"detached", COSFACE_GRADIENT_DETACHED}};
constexpr choice margin_terms[] = {{"m1", COSFACE_MARGIN_M1}, {"m2", COSFACE_MARGIN_M2}, {"m3", COSFACE_MARGIN_M3}};
constexpr choice precisions[] = {{"fp32", COSFACE_PRECISION_FP32},
                                 {"bf16-gradients", COSFACE_PRECISION_BF16_GRADIENTS},
                                 {"bf16", COSFACE_PRECISION_BF16}};

bool overlap(const array_argument& a, const array_argument& b) {
  // Float32Array and Int32Array alike: 4 bytes an element.
  const auto a_begin = reinterpret_cast<uintptr_t>(a.data), b_begin = reinterpret_cast<uintptr_t>(b.data);
  return a.length > 0 && b.length > 0 && a_begin < b_begin + 4 * b.length && b_begin < a_begin + 4 * a.length;
}

struct call_arrays {
  array_argument embeddings, weights, labels, sample_weights, sample_margins, loss_gradient, class_ids;
  array_argument loss, target_cosine, prediction, d_embeddings, d_weights;

  explicit call_arrays(const Napi::Object& call)
      : embeddings(call, "embeddings"),
        weights(call, "weights"),
        labels(call, "labels"),
        sample_weights(call, "sampleWeights"),
        sample_margins(call, "sampleMargins"),
        loss_gradient(call, "lossGradient"),
        class_ids(call, "classIds"),
        loss(call, "loss"),
        target_cosine(call, "targetCosine"),
        prediction(call, "prediction"),
        d_embeddings(call, "dEmbeddings"),
        d_weights(call, "dWeights") {}

  void open_samples();
  void open_classes();
  void require_lengths_of_samples(const cosface_margin_softmax_problem& problem) const;
  void require_lengths_of_classes(const cosface_margin_softmax_problem& problem) const;
  void require_no_overlap() const;
  void point(margin_softmax_call& call) const;
};

void call_arrays::open_samples() {
  embeddings.open(napi_float32_array);
  labels.open(napi_int32_array);
  for (array_argument* optional :
       {&sample_weights, &sample_margins, &loss_gradient, &loss, &target_cosine, &d_embeddings})
    if (optional->given()) optional->open(napi_float32_array);
  if (prediction.given()) prediction.open(napi_int32_array);
}

void call_arrays::open_classes() {
  weights.open(napi_float32_array);
  if (d_weights.given()) d_weights.open(napi_float32_array);
}

std::string dim_text(const cosface_margin_softmax_problem& p) { return "dim (" + std::to_string(p.dim) + ")"; }

void call_arrays::require_lengths_of_classes(const cosface_margin_softmax_problem& p) const {
  const int64_t length = static_cast<int64_t>(weights.length);
  if (p.classes < 1 || length != p.classes * p.dim)
    weights.reject_length("a multiple of " + dim_text(p) + " above 0: one row for each class");
  if (d_weights.given()) d_weights.require_length(length, "as weights");
}

void call_arrays::require_lengths_of_samples(const cosface_margin_softmax_problem& p) const {
  const int64_t length = static_cast<int64_t>(embeddings.length);
  if (length != p.batch * p.dim) embeddings.reject_length("a multiple of " + dim_text(p) + ": one row for each sample");
  labels.require_length(p.batch, "one for each row of embeddings");
  for (const array_argument* of_samples :
       {&sample_weights, &sample_margins, &loss_gradient, &loss, &target_cosine, &prediction})
    if (of_samples->given()) of_samples->require_length(p.batch, "one for each row of embeddings");
  if (d_embeddings.given()) d_embeddings.require_length(length, "as embeddings");
}

void call_arrays::require_no_overlap() const {
  const array_argument* outputs[] = {&loss, &target_cosine, &prediction, &d_embeddings, &d_weights};
  const array_argument* inputs[] = {&embeddings,     &weights,       &labels,   &sample_weights,
                                    &sample_margins, &loss_gradient, &class_ids};
  const auto reject = [](const array_argument& output, const array_argument& other) {
    throw js_error(output.value.Env(), "COSFACE_SHAPE",
                   std::string(output.name) + " shares memory with " + other.name + ", expected memory of its own.",
                   {output.name});
  };
  for (size_t k = 0; k < std::size(outputs); k++) {
    for (const array_argument* input : inputs)
      if (overlap(*outputs[k], *input)) reject(*outputs[k], *input);
    for (size_t j = 0; j < k; j++)
      if (overlap(*outputs[k], *outputs[j])) reject(*outputs[k], *outputs[j]);
  }
}

void call_arrays::point(margin_softmax_call& call) const {
  call.problem.embeddings = embeddings.as<float>();
  call.problem.weights = weights.as<float>();
  call.problem.labels = labels.as<int32_t>();
  call.problem.sample_weights = sample_weights.as<float>();
  sample_margin(call.problem, call.sample_margin_term) = sample_margins.as<float>();
  call.problem.loss_gradient = loss_gradient.as<float>();
  call.subset.ids = class_ids.as<int32_t>();
  call.results.loss = loss.as<float>();
  call.results.target_cosine = target_cosine.as<float>();
  call.results.prediction = prediction.as<int32_t>();
  call.results.d_embeddings = d_embeddings.as<float>();
  call.results.d_weights = d_weights.as<float>();
}

cosface_margin_softmax_options read_options(const Napi::Object& call) {
  cosface_margin_softmax_options o;
  cosface_margin_softmax_default_options(&o);
  o.scale = read_number(call.Get("scale"), "scale", o.scale);
  o.m1 = read_number(call.Get("m1"), "m1", o.m1);
  o.m2 = read_number(call.Get("m2"), "m2", o.m2);
  o.m3 = read_number(call.Get("m3"), "m3", o.m3);
  o.ignore_label =
      static_cast<int32_t>(read_integer(call.Get("ignoreLabel"), "ignoreLabel", o.ignore_label, int32_range));
  o.reduction =
      static_cast<cosface_reduction>(read_choice(call.Get("reduction"), "reduction", o.reduction, reductions));
  o.gradient = static_cast<cosface_gradient>(read_choice(call.Get("gradient"), "gradient", o.gradient, gradients));
  o.isa = read_isa(call);
  o.precision =
      static_cast<cosface_precision>(read_choice(call.Get("precision"), "precision", o.precision, precisions));
  o.gradient_tolerance = read_number(call.Get("gradientTolerance"), "gradientTolerance", o.gradient_tolerance);
  o.threads = static_cast<int32_t>(read_integer(call.Get("threads"), "threads", o.threads, int32_range));
  o.workspace_bytes = read_integer(call.Get("workspaceBytes"), "workspaceBytes", o.workspace_bytes, byte_range);
  return o;
}

margin_softmax_call read_choices(const Napi::Object& object) {
  margin_softmax_call call;
  call.options = read_options(object);
  call.sample_margin_term = static_cast<cosface_margin_term>(
      read_choice(object.Get("sampleMarginTerm"), "sampleMarginTerm", COSFACE_MARGIN_M3, margin_terms));
  call.device = read_device_request(object);
  call.workspace_is_default = object.Get("workspaceBytes").IsUndefined();
  return call;
}

}  // namespace

margin_softmax_call read_margin_softmax_call(const Napi::Value& value) {
  const Napi::Object object = require_object(value, "call");
  margin_softmax_call call = read_choices(object);
  cosface_margin_softmax_problem& p = call.problem;
  p.dim = read_integer(object.Get("dim"), "dim", 0, dim_range);
  call_arrays arrays(object);
  // No JavaScript runs from here on.
  arrays.open_samples();
  arrays.open_classes();
  p.batch = static_cast<int64_t>(arrays.embeddings.length) / p.dim;
  p.classes = static_cast<int64_t>(arrays.weights.length) / p.dim;
  arrays.require_lengths_of_samples(p);
  arrays.require_lengths_of_classes(p);
  arrays.require_no_overlap();
  arrays.point(call);
  return call;
}

margin_softmax_call read_resident_call(const Napi::Value& value, int64_t classes, int64_t dim) {
  const Napi::Object object = require_object(value, "call");
  margin_softmax_call call = read_choices(object);
  call_arrays arrays(object);
  // No JavaScript runs from here on.
  arrays.open_samples();
  if (arrays.class_ids.given()) arrays.class_ids.open(napi_int32_array);
  cosface_margin_softmax_problem& p = call.problem;
  p.dim = dim;
  p.batch = static_cast<int64_t>(arrays.embeddings.length) / dim;
  p.classes = arrays.class_ids.given() ? static_cast<int64_t>(arrays.class_ids.length) : classes;
  arrays.require_lengths_of_samples(p);
  arrays.require_no_overlap();
  arrays.point(call);
  call.subset.total = classes;
  return call;
}

plan_request read_plan_request(const Napi::Value& value) {
  const Napi::Object shape = require_object(value, "shape");
  plan_request request;
  request.options = read_options(shape);
  request.gradients = read_flag(shape, "gradients");
  request.workspace_is_default = shape.Get("workspaceBytes").IsUndefined();
  request.problem.batch = read_integer(shape.Get("batch"), "batch", -1, dimension_range);
  request.problem.classes = read_integer(shape.Get("classes"), "classes", -1, dimension_range);
  request.problem.dim = read_integer(shape.Get("dim"), "dim", -1, dimension_range);
  return request;
}

rate_request read_rate_request(const Napi::Value& value) {
  const Napi::Object object = require_object(value, "request");
  rate_request request;
  request.options = read_options(object);
  request.seconds = read_number(object.Get("seconds"), "seconds", 0.01);
  request.array_bytes = read_integer(object.Get("arrayBytes"), "arrayBytes", 0, byte_range);
  return request;
}

}  // namespace cosface
