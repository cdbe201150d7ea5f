#include "tensorflow/op_call.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <iterator>
#include <string>
#include <utility>

#include "tensorflow/op_failure.h"

namespace cosface::tensorflow {
namespace {

std::string to_text(const std::vector<int64_t>& shape) {
  std::string text;
  for (const int64_t extent : shape) text += (text.empty() ? "" : ", ") + std::to_string(extent);
  return "[" + text + "]";
}

void require_rank(const char* name, const std::vector<int64_t>& shape, size_t rank, const char* expected) {
  if (shape.size() == rank) return;
  fail("COSFACE_RANK",
       std::string(name) + " has shape " + to_text(shape) + ", expected rank " + std::to_string(rank) + ", " + expected,
       name);
}

void require_memory(const scoped_status& status) {
  if (!status.ok()) throw failure{code_resource_exhausted, "COSFACE_OUT_OF_MEMORY: " + status.message() + " {}"};
}

}  // namespace

scoped_tensor scoped_tensor::input(const tensorflow_api& api, TF_OpKernelContext* context, int index) {
  const scoped_status status(api);
  TF_Tensor* tensor = nullptr;
  api.get_input(context, index, &tensor, status.get());
  require_ok(status);
  return scoped_tensor(api, tensor);
}

scoped_tensor scoped_tensor::output(const tensorflow_api& api, TF_OpKernelContext* context, int index, int type,
                                    const std::vector<int64_t>& shape) {
  size_t bytes = 4;  // float and int32 alike
  for (const int64_t extent : shape) bytes *= static_cast<size_t>(extent);
  const scoped_status status(api);
  TF_Tensor* tensor =
      api.allocate_output(context, index, type, shape.data(), static_cast<int>(shape.size()), bytes, status.get());
  require_memory(status);
  return scoped_tensor(api, tensor);
}

scoped_tensor scoped_tensor::temporary(const tensorflow_api& api, TF_OpKernelContext* context, int64_t bytes) {
  const scoped_status status(api);
  TF_Tensor* tensor = api.allocate_temp(context, type_uint8, &bytes, 1, nullptr, status.get());
  require_memory(status);
  return scoped_tensor(api, tensor);
}

std::vector<int64_t> scoped_tensor::shape() const {
  std::vector<int64_t> shape(static_cast<size_t>(api_->num_dims(tensor_.get())));
  for (size_t axis = 0; axis < shape.size(); ++axis) {
    shape[axis] = api_->dim(tensor_.get(), static_cast<int>(axis));
  }
  return shape;
}

bool scoped_tensor::empty() const {
  const std::vector<int64_t> extents = shape();
  return std::find(extents.begin(), extents.end(), 0) != extents.end();
}

// TensorFlow checks types only.
op_call::op_call(const tensorflow_api& api, TF_OpKernelContext* context, const call_settings& settings)
    : api_(api), context_(context), options_(settings.options), gradients_(settings.gradients) {
  const std::vector<int64_t> embeddings = add_input(input::embeddings);
  const std::vector<int64_t> weights = add_input(input::weights);
  const std::vector<int64_t> labels = add_input(input::labels);
  require_rank("embeddings", embeddings, 2, "[N, D]");
  require_rank("weights", weights, 2, "[C, D]");
  require_rank("labels", labels, 1, "[N]");
  if (weights[1] != embeddings[1]) {
    fail("COSFACE_SHAPE",
         "weights has shape " + to_text(weights) + ", expected [C, " + std::to_string(embeddings[1]) +
             "] because embeddings has shape " + to_text(embeddings),
         "weights");
  }
  problem_.batch = embeddings[0];
  problem_.dim = embeddings[1];
  if (weights[0] % options_.sub_centers != 0) {
    fail("COSFACE_SHAPE",
         "weights has shape " + to_text(weights) + ", expected a multiple of " + std::to_string(options_.sub_centers) +
             " rows because sub_centers is that",
         "weights");
  }
  problem_.classes = weights[0] / options_.sub_centers;
  require_batch("labels", labels);
  problem_.embeddings = inputs_[input::embeddings].data<float>();
  problem_.weights = inputs_[input::weights].data<float>();
  problem_.labels = inputs_[input::labels].data<int32_t>();
  problem_.sample_weights = optional_input(input::sample_weights, "sampleWeights");
  problem_.sample_m1 = optional_input(input::sample_m1, "sampleMargins");
  problem_.sample_m2 = optional_input(input::sample_m2, "sampleMargins");
  problem_.sample_m3 = optional_input(input::sample_m3, "sampleMargins");
  read_bias();
  read_doubles();
  if (gradients_ > 2 && problem_.batch != 0) require_gradient_count();
}

op_outputs op_call::allocate_forward() const {
  const bool per_sample = options_.reduction == COSFACE_REDUCTION_NONE;
  op_outputs outputs;
  add_output(&outputs, 0, type_float, per_sample ? std::vector<int64_t>{problem_.batch} : std::vector<int64_t>{});
  add_output(&outputs, 1, type_float, {problem_.batch});
  add_output(&outputs, 2, type_int32, {problem_.batch});
  (per_sample ? outputs.results.loss : outputs.reduced_loss) = outputs.tensors[0].data<float>();
  outputs.results.target_cosine = outputs.tensors[1].data<float>();
  outputs.results.prediction = outputs.tensors[2].data<int32_t>();
  if (gradients_ != 0) add_gradients(&outputs, first_gradient(true));
  return outputs;
}

op_outputs op_call::allocate_gradients() const {
  op_outputs outputs;
  add_gradients(&outputs, first_gradient(false));
  return outputs;
}

const float* op_call::read_loss_gradient() {
  const std::vector<int64_t> shape = add_input(input::loss_gradient);
  if (options_.reduction == COSFACE_REDUCTION_NONE) {
    require_rank("lossGradient", shape, 1, "[N]");
    require_batch("lossGradient", shape);
  } else {
    require_rank("lossGradient", shape, 0, "a scalar, because the loss is reduced");
  }
  return inputs_[input::loss_gradient].data<float>();
}

std::vector<int64_t> op_call::add_input(int index) {
  inputs_.push_back(scoped_tensor::input(api_, context_, index));
  return inputs_.back().shape();
}

const float* op_call::optional_input(int index, const char* name) {
  const std::vector<int64_t> shape = add_input(index);
  require_rank(name, shape, 1, "[N]");
  if (shape[0] == 0) return nullptr;
  require_batch(name, shape);
  return inputs_.back().data<float>();
}

void op_call::read_bias() {
  const std::vector<int64_t> shape = add_input(input::bias);
  if (shape == std::vector<int64_t>{0}) return;
  const bool binary = options_.form == COSFACE_FORM_BINARY;
  if (binary ? !shape.empty() && shape != std::vector<int64_t>{1} : shape != std::vector<int64_t>{problem_.classes})
    fail("COSFACE_SHAPE",
         "bias has shape " + to_text(shape) + ", expected " +
             (binary ? "one number for all classes" : to_text({problem_.classes}) + ", one number for each class"),
         "bias");
  problem_.bias = inputs_.back().data<float>();
}

void op_call::read_doubles() {
  double* const targets[] = {&options_.scale,
                             &options_.m1,
                             &options_.m2,
                             &options_.m3,
                             &options_.gradient_tolerance,
                             &options_.annealing,
                             &options_.label_smoothing,
                             &options_.interclass_filter,
                             &options_.negatives_t,
                             &options_.curve_exponent,
                             &options_.positive_weight,
                             &options_.negative_weight,
                             &options_.negative_margin};
  std::array<double, std::size(targets)> doubles;
  const std::vector<int64_t> shape = add_input(input::doubles);
  const std::vector<int64_t> expected = {2 * static_cast<int64_t>(doubles.size())};
  if (shape != expected) {
    fail("COSFACE_SHAPE",
         "doubles has shape " + to_text(shape) + ", expected " + to_text(expected) + ": the bytes of " +
             std::to_string(doubles.size()) + " doubles",
         "doubles");
  }
  std::memcpy(doubles.data(), inputs_.back().data<void>(), sizeof doubles);
  for (size_t k = 0; k < doubles.size(); ++k) *targets[k] = doubles[k];
}

// With an empty batch nobody can tell which inputs are given; the gradients of those that are per sample are then
// empty.
void op_call::require_gradient_count() const {
  int64_t given = 2;
  for (const float* input :
       {problem_.sample_weights, problem_.sample_m1, problem_.sample_m2, problem_.sample_m3, problem_.bias})
    given += input != nullptr;
  if (gradients_ == given) return;
  fail("COSFACE_OPTION_RANGE",
       "num_gradients is " + std::to_string(gradients_) + ", expected 2 or " + std::to_string(given) +
           ": of embeddings and weights, or of every input that is given but the labels",
       "num_gradients");
}

void op_call::require_batch(const char* name, const std::vector<int64_t>& shape) const {
  if (shape[0] == problem_.batch) return;
  fail("COSFACE_SHAPE",
       std::string(name) + " has shape " + to_text(shape) + ", expected [" + std::to_string(problem_.batch) +
           "] because embeddings has " + std::to_string(problem_.batch) + " rows",
       name);
}

float* op_call::add_output(op_outputs* outputs, int index, int type, const std::vector<int64_t>& shape) const {
  outputs->tensors.push_back(scoped_tensor::output(api_, context_, index, type, shape));
  return outputs->tensors.back().data<float>();
}

void op_call::add_gradients(op_outputs* outputs, int first) const {
  int index = first;
  const auto add = [&](const std::vector<int64_t>& shape) { return add_output(outputs, index++, type_float, shape); };
  cosface_margin_softmax_results& r = outputs->results;
  r.d_embeddings = add(inputs_[input::embeddings].shape());
  r.d_weights = add(inputs_[input::weights].shape());
  if (gradients_ == 2) return;
  const std::pair<const float*, float**> of_samples[] = {{problem_.sample_weights, &r.d_sample_weights},
                                                         {problem_.sample_m1, &r.d_sample_m1},
                                                         {problem_.sample_m2, &r.d_sample_m2},
                                                         {problem_.sample_m3, &r.d_sample_m3}};
  for (const auto& [input, gradient] : of_samples)
    if (input != nullptr) *gradient = add({problem_.batch});
  const int64_t of_bias = problem_.bias != nullptr;
  while (index - first < gradients_ - of_bias) add({0});  // an empty batch
  if (of_bias) r.d_bias = add(inputs_[input::bias].shape());
}

std::vector<float> share_loss_gradient(float loss_gradient, const op_call& call, const int32_t* labels,
                                       const float* sample_weights) {
  const auto batch = static_cast<size_t>(call.problem().batch);
  int64_t divisor = 1;
  if (call.options().reduction == COSFACE_REDUCTION_MEAN) {
    int64_t counted = 0;
    for (size_t i = 0; i < batch; ++i) {
      const bool ignored = labels[i] == call.options().ignore_label;
      const bool weightless = sample_weights != nullptr && sample_weights[i] == 0;
      if (!ignored && !weightless) ++counted;
    }
    divisor = std::max<int64_t>(counted, 1);
  }
  return std::vector<float>(batch, static_cast<float>(loss_gradient / static_cast<double>(divisor)));
}

}  // namespace cosface::tensorflow
