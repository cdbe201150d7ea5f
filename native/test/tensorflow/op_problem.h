// A problem as tensors of the op, on a device of the test's choice, and its results back on the host.
#pragma once

#include <cstdlib>
#include <cstring>
#include <functional>
#include <string>
#include <type_traits>
#include <vector>

#include "cosface/margin_softmax.h"
#include "problem_data.h"
#include "tensorflow/fake_tensorflow.h"

namespace cosface::test {

// Memory that a kernel of the op is run on.
struct op_device {
  std::string type;  // "CPU", "GPU"
  fake_allocator allocator;
  std::function<void(void* to, const void* from, size_t bytes)> copy_in, copy_out;
};

inline op_device host_device() {
  const auto copy = [](void* to, const void* from, size_t bytes) { std::memcpy(to, from, bytes); };
  return {"CPU", {[](size_t bytes) { return std::malloc(bytes); }, [](void* p) { std::free(p); }}, copy, copy};
}

template <typename T>
fake_tensor tensor_of(const op_device& device, const std::vector<T>& values, const std::vector<int64_t>& shape) {
  constexpr int type = std::is_same_v<T, float> ? tensorflow::type_float : tensorflow::type_int32;
  fake_tensor tensor = allocate_tensor(device.allocator, type, shape);
  if (tensor.bytes() > 0) device.copy_in(tensor.memory.get(), values.data(), tensor.bytes());
  return tensor;
}

template <typename T>
std::vector<T> values_of(const op_device& device, const fake_tensor& tensor) {
  std::vector<T> values(tensor.bytes() / sizeof(T));
  if (tensor.bytes() > 0) device.copy_out(values.data(), tensor.memory.get(), tensor.bytes());
  return values;
}

inline fake_attributes attributes_of(const cosface_margin_softmax_options& options, int64_t gradients) {
  static const char* reductions[] = {"none", "mean", "sum"};
  static const char* precisions[] = {"fp32", "bf16-gradients", "bf16"};
  static const char* fallbacks[] = {"continuous", "none", "easy", "hard"};
  static const char* negatives[] = {"plain", "curricular", "mv-arc", "mv-am"};
  static const char* curves[] = {"cosine", "circle", "power"};
  return {{{"reduction", reductions[options.reduction]},
           {"gradient", options.gradient == COSFACE_GRADIENT_EXACT ? "exact" : "detached"},
           {"precision", precisions[options.precision]},
           {"fallback", fallbacks[options.fallback]},
           {"negatives", negatives[options.negatives]},
           {"curve", curves[options.curve]},
           {"form", options.form == COSFACE_FORM_BINARY ? "binary" : "softmax"}},
          {{"ignore_label", options.ignore_label},
           {"normalize_embeddings", options.normalize_embeddings},
           {"normalize_weights", options.normalize_weights},
           {"sub_centers", options.sub_centers},
           {"bias_sign", options.bias_sign},
           {"num_gradients", gradients}}};
}

inline fake_call call_of(const op_device& device, const problem_data& data,
                         const cosface_margin_softmax_options& options) {
  const auto [batch, classes, dim] = data.shape;
  const auto& o = options;
  const std::vector<double> doubles = {o.scale,
                                       o.m1,
                                       o.m2,
                                       o.m3,
                                       o.gradient_tolerance,
                                       o.annealing,
                                       o.label_smoothing,
                                       o.interclass_filter,
                                       o.negatives_t,
                                       o.curve_exponent,
                                       o.positive_weight,
                                       o.negative_weight,
                                       o.negative_margin};
  std::vector<int32_t> bytes(2 * doubles.size());
  std::memcpy(bytes.data(), doubles.data(), sizeof(double) * doubles.size());
  const fake_tensor none = tensor_of(device, std::vector<float>(), {0});
  const auto length = [](const std::vector<float>& values) { return static_cast<int64_t>(values.size()); };
  return {
      {tensor_of(device, data.embeddings, {batch, dim}), tensor_of(device, data.weights, {classes, dim}),
       tensor_of(device, data.labels, {batch}), tensor_of(device, data.sample_weights, {length(data.sample_weights)}),
       none, none, tensor_of(device, data.sample_margins, {length(data.sample_margins)}), none,
       tensor_of(host_device(), bytes, {static_cast<int64_t>(bytes.size())})},
      device.allocator};
}

struct op_results {
  int code = tensorflow::code_ok;
  std::string message;
  std::vector<float> loss, target_cosine, d_embeddings, d_weights;
  std::vector<int32_t> prediction;
};

inline std::vector<float> floats_at(const op_device& device, const fake_outcome& outcome, int index) {
  const auto found = outcome.outputs.find(index);
  return found == outcome.outputs.end() ? std::vector<float>() : values_of<float>(device, found->second);
}

inline op_results run_forward_op(const op_device& device, const fake_call& call,
                                 const cosface_margin_softmax_options& options, bool gradients) {
  const fake_outcome outcome =
      run_fake_op("CosfaceMarginSoftmaxV2", device.type, attributes_of(options, gradients ? 2 : 0), call);
  op_results results{outcome.code, outcome.message, {}, {}, {}, {}, {}};
  if (outcome.code != tensorflow::code_ok) return results;
  results.loss = floats_at(device, outcome, 0);
  results.target_cosine = floats_at(device, outcome, 1);
  results.prediction = values_of<int32_t>(device, outcome.outputs.at(2));
  results.d_embeddings = floats_at(device, outcome, 3);
  results.d_weights = floats_at(device, outcome, 4);
  return results;
}

// `loss_gradient`: [N] where the reduction is none, else one value.
inline op_results run_gradient_op(const op_device& device, fake_call call,
                                  const cosface_margin_softmax_options& options,
                                  const std::vector<float>& loss_gradient) {
  const bool per_sample = options.reduction == COSFACE_REDUCTION_NONE;
  const auto length = static_cast<int64_t>(loss_gradient.size());
  call.inputs.push_back(
      tensor_of(device, loss_gradient, per_sample ? std::vector<int64_t>{length} : std::vector<int64_t>{}));
  const fake_outcome outcome = run_fake_op("CosfaceMarginSoftmaxGradV2", device.type, attributes_of(options, 2), call);
  op_results results{outcome.code, outcome.message, {}, {}, {}, {}, {}};
  if (outcome.code != tensorflow::code_ok) return results;
  results.d_embeddings = floats_at(device, outcome, 0);
  results.d_weights = floats_at(device, outcome, 1);
  return results;
}

}  // namespace cosface::test
