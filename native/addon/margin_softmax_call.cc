#include "addon/margin_softmax_call.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <span>
#include <string>

#include "addon/call_arguments.h"
#include "addon/js_error.h"

namespace cosface {
namespace {

constexpr choice reductions[] = {
    {"none", COSFACE_REDUCTION_NONE}, {"mean", COSFACE_REDUCTION_MEAN}, {"sum", COSFACE_REDUCTION_SUM}};
constexpr choice gradients[] = {{"exact", COSFACE_GRADIENT_EXACT}, {"detached", COSFACE_GRADIENT_DETACHED}};
constexpr choice precisions[] = {{"fp32", COSFACE_PRECISION_FP32},
                                 {"bf16-gradients", COSFACE_PRECISION_BF16_GRADIENTS},
                                 {"bf16", COSFACE_PRECISION_BF16}};
constexpr choice fallbacks[] = {{"continuous", COSFACE_FALLBACK_CONTINUOUS},
                                {"none", COSFACE_FALLBACK_NONE},
                                {"easy", COSFACE_FALLBACK_EASY},
                                {"hard", COSFACE_FALLBACK_HARD}};
constexpr choice hard_negatives[] = {{"curricular", COSFACE_NEGATIVES_CURRICULAR},
                                     {"mv-arc", COSFACE_NEGATIVES_MV_ARC},
                                     {"mv-am", COSFACE_NEGATIVES_MV_AM}};
constexpr choice curves[] = {
    {"cosine", COSFACE_CURVE_COSINE}, {"circle", COSFACE_CURVE_CIRCLE}, {"power", COSFACE_CURVE_POWER}};
// The kind of an object that must name one; the C ABI refuses it.
constexpr int no_kind = -1;

bool overlap(const array_argument& a, const array_argument& b) {
  // Float32Array and Int32Array alike: 4 bytes an element.
  const auto a_begin = reinterpret_cast<uintptr_t>(a.data), b_begin = reinterpret_cast<uintptr_t>(b.data);
  return a.length > 0 && b.length > 0 && a_begin < b_begin + 4 * b.length && b_begin < a_begin + 4 * a.length;
}

// The property `family`, empty where absent.
Napi::Object family_of(const Napi::Object& call) {
  const Napi::Value family = call.Get("family");
  return family.IsUndefined() ? Napi::Object() : require_object(family, "family");
}

// Every array of a call; `family` has those that few calls have.
struct call_arrays {
  array_argument embeddings, weights, labels, class_ids, bias;
  array_argument sample_margins;  // another name of the third of these
  array_argument sample_margin[3];
  array_argument sample_weights, loss_gradient;
  array_argument loss, target_cosine, prediction, d_embeddings, d_weights, d_bias;
  array_argument d_sample_weights, d_sample_margin[3];

  explicit call_arrays(const Napi::Object& call) : call_arrays(call, family_of(call)) {}
  call_arrays(const Napi::Object& call, const Napi::Object& family)
      : embeddings(call, "embeddings"),
        weights(call, "weights"),
        labels(call, "labels"),
        class_ids(call, "classIds"),
        bias(array_argument::within(family, "bias")),
        sample_margins(call, "sampleMargins"),
        sample_margin{array_argument::within(family, "sampleM1"), array_argument::within(family, "sampleM2"),
                      array_argument::within(family, "sampleM3")},
        sample_weights(call, "sampleWeights"),
        loss_gradient(call, "lossGradient"),
        loss(call, "loss"),
        target_cosine(call, "targetCosine"),
        prediction(call, "prediction"),
        d_embeddings(call, "dEmbeddings"),
        d_weights(call, "dWeights"),
        d_bias(array_argument::within(family, "dBias")),
        d_sample_weights(array_argument::within(family, "dSampleWeights")),
        d_sample_margin{array_argument::within(family, "dSampleM1"), array_argument::within(family, "dSampleM2"),
                        array_argument::within(family, "dSampleM3")} {}

  std::array<array_argument*, 6> inputs_of_samples() {
    return {&sample_weights, &sample_margins, &sample_margin[0], &sample_margin[1], &sample_margin[2], &loss_gradient};
  }
  std::array<array_argument*, 6> outputs_of_samples() {
    return {&loss, &target_cosine, &d_sample_weights, &d_sample_margin[0], &d_sample_margin[1], &d_sample_margin[2]};
  }

  void open_samples();
  void open_class_ids();
  void open_classes();
  void require_lengths_of_samples(const cosface_margin_softmax_problem& problem);
  void require_lengths_of_classes(const cosface_margin_softmax_problem& problem,
                                  const cosface_margin_softmax_options& options);
  void require_length_of_bias(const cosface_margin_softmax_problem& problem,
                              const cosface_margin_softmax_options& options) const;
  void require_no_overlap();
  void point(margin_softmax_call& call) const;
};

void open_given(std::span<array_argument* const> arrays) {
  for (array_argument* array : arrays)
    if (array->given()) array->open(napi_float32_array);
}

void call_arrays::open_samples() {
  embeddings.open(napi_float32_array);
  labels.open(napi_int32_array);
  open_given(inputs_of_samples());
  open_given(outputs_of_samples());
  open_given(std::array{&d_embeddings, &bias, &d_bias});
  if (prediction.given()) prediction.open(napi_int32_array);
  if (sample_margins.given() && sample_margin[2].given())
    throw js_error(sample_margins.value.Env(), "COSFACE_OPTION_RANGE",
                   "sampleMargins and sampleM3 are the same margins; give one of them.", {"sampleMargins"});
}

void call_arrays::open_class_ids() {
  if (!class_ids.given()) return;
  class_ids.open(napi_int32_array);
  if (class_ids.length == 0) class_ids.reject_length("at least 1: the classes that take part");
}

void call_arrays::open_classes() {
  weights.open(napi_float32_array);
  open_class_ids();
  if (d_weights.given()) d_weights.open(napi_float32_array);
}

std::string dim_text(const cosface_margin_softmax_problem& p) { return "dim (" + std::to_string(p.dim) + ")"; }

void call_arrays::require_lengths_of_classes(const cosface_margin_softmax_problem& p,
                                             const cosface_margin_softmax_options& o) {
  const int64_t length = static_cast<int64_t>(weights.length);
  if (p.classes < 1 || length != p.classes * o.sub_centers * p.dim) {
    const std::string rows = o.sub_centers == 1 ? dim_text(p) + " above 0: one row for each class"
                                                : dim_text(p) + " times subCenters (" + std::to_string(o.sub_centers) +
                                                      ") above 0: so many rows for each class";
    weights.reject_length("a multiple of " + rows);
  }
  if (!d_weights.given()) return;
  if (class_ids.given())
    d_weights.require_length(p.class_count * p.dim, "one row for each of classIds");
  else
    d_weights.require_length(length, "as weights");
}

void call_arrays::require_length_of_bias(const cosface_margin_softmax_problem& p,
                                         const cosface_margin_softmax_options& o) const {
  const bool binary = o.form == COSFACE_FORM_BINARY;
  const int64_t wanted = binary ? 1 : p.classes;
  const char* reason = binary ? "one number for all classes" : "one number for each class";
  if (bias.given()) bias.require_length(wanted, reason);
  if (d_bias.given()) d_bias.require_length(wanted, reason);
}

void call_arrays::require_lengths_of_samples(const cosface_margin_softmax_problem& p) {
  const int64_t length = static_cast<int64_t>(embeddings.length);
  if (length != p.batch * p.dim) embeddings.reject_length("a multiple of " + dim_text(p) + ": one row for each sample");
  labels.require_length(p.batch, "one for each row of embeddings");
  const auto require_batch = [&](std::span<array_argument* const> arrays) {
    for (const array_argument* of_samples : arrays)
      if (of_samples->given()) of_samples->require_length(p.batch, "one for each row of embeddings");
  };
  require_batch(inputs_of_samples());
  require_batch(outputs_of_samples());
  require_batch(std::array{&prediction});
  if (d_embeddings.given()) d_embeddings.require_length(length, "as embeddings");
}

void call_arrays::require_no_overlap() {
  const auto of_inputs = inputs_of_samples(), of_outputs = outputs_of_samples();
  std::array<const array_argument*, 11> inputs{&embeddings, &weights, &labels, &class_ids, &bias};
  std::array<const array_argument*, 10> outputs{&prediction, &d_embeddings, &d_weights, &d_bias};
  std::copy(of_inputs.begin(), of_inputs.end(), inputs.end() - of_inputs.size());
  std::copy(of_outputs.begin(), of_outputs.end(), outputs.end() - of_outputs.size());
  const auto reject = [](const array_argument& output, const array_argument& other) {
    throw js_error(output.value.Env(), "COSFACE_SHAPE",
                   std::string(output.name) + " shares memory with " + other.name + ", expected memory of its own.",
                   {output.name});
  };
  for (size_t k = 0; k < outputs.size(); k++) {
    for (const array_argument* input : inputs)
      if (overlap(*outputs[k], *input)) reject(*outputs[k], *input);
    for (size_t j = 0; j < k; j++)
      if (overlap(*outputs[k], *outputs[j])) reject(*outputs[k], *outputs[j]);
  }
}

void call_arrays::point(margin_softmax_call& call) const {
  cosface_margin_softmax_problem& p = call.problem;
  p.embeddings = embeddings.as<float>();
  p.weights = weights.as<float>();
  p.labels = labels.as<int32_t>();
  p.sample_weights = sample_weights.as<float>();
  p.sample_m1 = sample_margin[0].as<float>();
  p.sample_m2 = sample_margin[1].as<float>();
  p.sample_m3 = (sample_margins.given() ? sample_margins : sample_margin[2]).as<float>();
  p.loss_gradient = loss_gradient.as<float>();
  p.bias = bias.as<float>();
  p.class_ids = class_ids.as<int32_t>();
  cosface_margin_softmax_results& r = call.results;
  r.loss = loss.as<float>();
  r.target_cosine = target_cosine.as<float>();
  r.prediction = prediction.as<int32_t>();
  r.d_embeddings = d_embeddings.as<float>();
  r.d_weights = d_weights.as<float>();
  r.d_bias = d_bias.as<float>();
  r.d_sample_weights = d_sample_weights.as<float>();
  r.d_sample_m1 = d_sample_margin[0].as<float>();
  r.d_sample_m2 = d_sample_margin[1].as<float>();
  r.d_sample_m3 = d_sample_margin[2].as<float>();
}

bool given(const Napi::Value& value) { return !value.IsUndefined() && !value.IsNull(); }

void read_negatives(const Napi::Value& value, cosface_margin_softmax_options& o) {
  if (!given(value)) return;
  const Napi::Object rule = require_object(value, "negatives");
  o.negatives =
      static_cast<cosface_negatives>(read_choice(rule.Get("kind"), "negatives.kind", no_kind, hard_negatives));
  o.negatives_t = read_number(rule.Get("t"), "negatives.t", o.negatives_t);
}

void read_curve(const Napi::Value& value, cosface_margin_softmax_options& o) {
  if (!given(value)) return;
  const Napi::Object curve = require_object(value, "curve");
  o.curve = static_cast<cosface_curve>(read_choice(curve.Get("kind"), "curve.kind", no_kind, curves));
  o.curve_exponent = read_number(curve.Get("exponent"), "curve.exponent", o.curve_exponent);
}

void read_binary(const Napi::Value& value, cosface_margin_softmax_options& o) {
  if (!given(value)) return;
  const Napi::Object form = require_object(value, "binary");
  o.form = COSFACE_FORM_BINARY;
  o.positive_weight = read_number(form.Get("positiveWeight"), "positiveWeight", o.positive_weight);
  o.negative_weight = read_number(form.Get("negativeWeight"), "negativeWeight", o.negative_weight);
  o.negative_margin = read_number(form.Get("negativeMargin"), "negativeMargin", o.negative_margin);
  o.bias_sign = static_cast<int32_t>(read_integer(form.Get("biasSign"), "biasSign", o.bias_sign, int32_range));
}

// The rest of the family, FamilyAttributes of src/native/addon.ts. An object of its own, because a property that is
// missing costs a call as much as one that is there.
void read_family(const Napi::Object& call, cosface_margin_softmax_options& o) {
  if (call.IsEmpty()) return;
  o.fallback = static_cast<cosface_fallback>(read_choice(call.Get("fallback"), "fallback", o.fallback, fallbacks));
  o.annealing = read_number(call.Get("annealing"), "annealing", o.annealing);
  o.normalize_embeddings = read_flag(call, "normalizeEmbeddings", true);
  o.normalize_weights = read_flag(call, "normalizeWeights", true);
  o.label_smoothing = read_number(call.Get("labelSmoothing"), "labelSmoothing", o.label_smoothing);
  const Napi::Value filter = call.Get("interclassFilter");
  if (given(filter)) o.interclass_filter = read_number(filter, "interclassFilter", o.interclass_filter);
  read_negatives(call.Get("negatives"), o);
  o.sub_centers = read_integer(call.Get("subCenters"), "subCenters", o.sub_centers, sub_center_range);
  read_curve(call.Get("curve"), o);
  read_binary(call.Get("binary"), o);
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
  read_family(family_of(call), o);
  return o;
}

margin_softmax_call read_choices(const Napi::Object& object) {
  margin_softmax_call call;
  call.options = read_options(object);
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
  p.classes = static_cast<int64_t>(arrays.weights.length) / p.dim / call.options.sub_centers;
  p.class_count = static_cast<int64_t>(arrays.class_ids.length);
  arrays.require_lengths_of_samples(p);
  arrays.require_lengths_of_classes(p, call.options);
  arrays.require_length_of_bias(p, call.options);
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
  arrays.open_class_ids();
  cosface_margin_softmax_problem& p = call.problem;
  p.dim = dim;
  p.batch = static_cast<int64_t>(arrays.embeddings.length) / dim;
  p.classes = classes;
  p.class_count = static_cast<int64_t>(arrays.class_ids.length);
  arrays.require_lengths_of_samples(p);
  arrays.require_length_of_bias(p, call.options);
  arrays.require_no_overlap();
  arrays.point(call);
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
