// Margin softmax as ops of the TensorFlow that tfjs-node has loaded.
//
//   CosfaceMarginSoftmaxV1                                CosfaceMarginSoftmaxGradV1
//   in   0 embeddings      float [N, D]                   0-5 the same
//        1 weights         float [C, D]                   6 loss_gradient  float, [N] where reduction is
//        2 labels          int32 [N]                        none, one value where it is mean or sum
//        3 sample_weights  float [N], or [0]: all 1
//        4 sample_margins  float [N], or [0]: none
//        5 doubles         int32 [10]: the bytes of the doubles scale, m1, m2, m3, gradient_tolerance
//   out  0 loss            float [], [N] where none       0 d_embeddings   float [N, D]
//        1 target_cosine   float [N]                      1 d_weights      float [C, D]
//        2 prediction      int32 [N]
//        3 d_embeddings, 4 d_weights: present where the attribute num_gradients is 2
//
// attribute_reader  Only what stays the same for a whole training: TensorFlow keeps one kernel object for each
//             distinct set of attributes, for ever. Scale, margins and tolerance may be annealed, so they are
//             inputs.
// doubles     int32, because TensorFlow.js has no double and 0.35 as a float is not 0.35: this way every
//             backend computes with the same numbers. int32 also stays in host memory under tfjs-node-gpu.
// Version     The name carries it: of two copies of the addon in a process the first one serves both. It counts
//             the signatures that were released.
// Copies      None. The kernels read and write TensorFlow's own buffers.
// Exceptions  None may leave a callback: the frames above belong to a library built without them, and
//             the process would end.
#include "tensorflow/margin_softmax_op.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <exception>
#include <memory>
#include <mutex>
#include <new>
#include <string_view>
#include <utility>
#include <vector>

#include "cosface/margin_softmax.h"
#include "tensorflow/tensorflow_api.h"

namespace cosface::tensorflow {
namespace {

constexpr char forward_op[] = "CosfaceMarginSoftmaxV1";
constexpr char gradient_op[] = "CosfaceMarginSoftmaxGradV1";

namespace input {
enum index : int {
  embeddings,
  weights,
  labels,
  sample_weights,
  sample_margins,
  doubles,
  loss_gradient
};
}  // namespace input

class scoped_status {
 public:
  explicit scoped_status(const tensorflow_api& api) : api_(api), status_(api.new_status()) {}
  ~scoped_status() { api_.delete_status(status_); }
  scoped_status(const scoped_status&) = delete;
  scoped_status& operator=(const scoped_status&) = delete;

  TF_Status* get() const { return status_; }
  bool ok() const { return api_.get_code(status_) == code_ok; }
  std::string message() const { return api_.message(status_); }

 private:
  const tensorflow_api& api_;
  TF_Status* status_;
};

// What ends a callback early: a TF_Code and its message, `CODE: text`.
struct failure {
  int code;
  std::string message;
};

[[noreturn]] void fail(const char* code, const std::string& text, const char* argument) {
  throw failure{code_invalid_argument, std::string(code) + ": " + text + " {" + argument + "}"};
}

// The braces at the end carry argument and index to the JavaScript side, which cuts them off again.
[[noreturn]] void fail(const cosface_error& error) {
  std::string message = std::string(cosface_status_code(error.status)) + ": " + error.message + " {" + error.argument;
  if (error.index >= 0) message += " " + std::to_string(error.index);
  const int code = error.status == COSFACE_ERROR_OUT_OF_MEMORY ? code_resource_exhausted
                   : error.status == COSFACE_ERROR_UNSUPPORTED ? code_unimplemented
                                                               : code_invalid_argument;
  throw failure{code, message + "}"};
}

void require_ok(const scoped_status& status) {
  if (!status.ok()) throw failure{code_internal, "COSFACE_TENSORFLOW: " + status.message()};
}

class scoped_tensor {
 public:
  scoped_tensor(const tensorflow_api& api, TF_Tensor* tensor) : tensor_(tensor, api.delete_tensor), api_(&api) {}

  static scoped_tensor input(const tensorflow_api& api, TF_OpKernelContext* context, int index) {
    const scoped_status status(api);
    TF_Tensor* tensor = nullptr;
    api.get_input(context, index, &tensor, status.get());
    require_ok(status);
    return scoped_tensor(api, tensor);
  }

  static scoped_tensor output(const tensorflow_api& api, TF_OpKernelContext* context, int index, int type,
                              const std::vector<int64_t>& shape) {
    size_t bytes = 4;  // float and int32 alike
    for (const int64_t extent : shape) bytes *= static_cast<size_t>(extent);
    const scoped_status status(api);
    TF_Tensor* tensor =
        api.allocate_output(context, index, type, shape.data(), static_cast<int>(shape.size()), bytes, status.get());
    if (!status.ok()) throw failure{code_resource_exhausted, "COSFACE_OUT_OF_MEMORY: " + status.message() + " {}"};
    return scoped_tensor(api, tensor);
  }

  template <typename T>
  T* data() const {
    return static_cast<T*>(api_->tensor_data(tensor_.get()));
  }

  std::vector<int64_t> shape() const {
    std::vector<int64_t> shape(static_cast<size_t>(api_->num_dims(tensor_.get())));
    for (size_t axis = 0; axis < shape.size(); ++axis) {
      shape[axis] = api_->dim(tensor_.get(), static_cast<int>(axis));
    }
    return shape;
  }

 private:
  std::unique_ptr<TF_Tensor, void (*)(TF_Tensor*)> tensor_;
  const tensorflow_api* api_;
};

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

// What the attributes say: the same for every call of a kernel object.
struct call_settings {
  cosface_margin_softmax_options options;
  bool gradients = false;
};

class attribute_reader {
 public:
  attribute_reader(const tensorflow_api& api, TF_OpKernelConstruction* construction)
      : api_(api), construction_(construction) {}

  int64_t integer(const char* name) const {
    const scoped_status status(api_);
    int64_t value = 0;
    api_.construction_attr_int64(construction_, name, &value, status.get());
    require_ok(status);
    return value;
  }

  // TensorFlow has checked the value against the list in the op's definition.
  std::string string(const char* name) const {
    const scoped_status status(api_);
    char value[16] = {};  // the longest is "bf16-gradients"
    api_.construction_attr_string(construction_, name, value, sizeof value - 1, status.get());
    require_ok(status);
    return value;
  }

 private:
  const tensorflow_api& api_;
  TF_OpKernelConstruction* construction_;
};

call_settings read_settings(const tensorflow_api& api, TF_OpKernelConstruction* construction, bool forward) {
  const attribute_reader attributes(api, construction);
  call_settings settings;
  cosface_margin_softmax_default_options(&settings.options);
  const std::string reduction = attributes.string("reduction");
  settings.options.reduction = reduction == "none"   ? COSFACE_REDUCTION_NONE
                               : reduction == "mean" ? COSFACE_REDUCTION_MEAN
                                                     : COSFACE_REDUCTION_SUM;
  settings.options.gradient =
      attributes.string("gradient") == "exact" ? COSFACE_GRADIENT_EXACT : COSFACE_GRADIENT_DETACHED;
  const std::string term = attributes.string("sample_margin_term");
  settings.options.sample_margin_term = term == "m1"   ? COSFACE_MARGIN_M1
                                        : term == "m2" ? COSFACE_MARGIN_M2
                                                       : COSFACE_MARGIN_M3;
  const std::string precision = attributes.string("precision");
  settings.options.precision = precision == "fp32"   ? COSFACE_PRECISION_FP32
                               : precision == "bf16" ? COSFACE_PRECISION_BF16
                                                     : COSFACE_PRECISION_BF16_GRADIENTS;
  settings.options.ignore_label = static_cast<int32_t>(attributes.integer("ignore_label"));
  if (!forward) return settings;
  const int64_t gradients = attributes.integer("num_gradients");
  if (gradients != 0 && gradients != 2) {
    fail("COSFACE_OPTION_RANGE", "num_gradients is " + std::to_string(gradients) + ", expected 0 or 2",
         "num_gradients");
  }
  settings.gradients = gradients == 2;
  return settings;
}

// The inputs of one call, their shapes checked: TensorFlow checks types only.
class op_call {
 public:
  op_call(const tensorflow_api& api, TF_OpKernelContext* context, const call_settings& settings)
      : api_(api), context_(context), options_(settings.options) {
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
    problem_.classes = weights[0];
    require_batch("labels", labels);
    problem_.embeddings = inputs_[input::embeddings].data<float>();
    problem_.weights = inputs_[input::weights].data<float>();
    problem_.labels = inputs_[input::labels].data<int32_t>();
    problem_.sample_weights = optional_input(input::sample_weights, "sampleWeights");
    problem_.sample_margins = optional_input(input::sample_margins, "sampleMargins");
    read_doubles();
  }

  void run_forward(bool gradients) {
    const bool per_sample = options_.reduction == COSFACE_REDUCTION_NONE;
    const scoped_tensor loss = per_sample ? output(0, type_float, {problem_.batch}) : output(0, type_float, {});
    const scoped_tensor target_cosine = output(1, type_float, {problem_.batch});
    const scoped_tensor prediction = output(2, type_int32, {problem_.batch});
    cosface_margin_softmax_results results{};
    if (per_sample) results.loss = loss.data<float>();
    results.target_cosine = target_cosine.data<float>();
    results.prediction = prediction.data<int32_t>();
    run(&results, gradients ? 3 : no_gradients);
    if (!per_sample) *loss.data<float>() = static_cast<float>(results.reduced_loss);
  }

  void run_gradient() {
    const std::vector<int64_t> shape = add_input(input::loss_gradient);
    const float* loss_gradient = inputs_[input::loss_gradient].data<float>();
    std::vector<float> shares;
    if (options_.reduction == COSFACE_REDUCTION_NONE) {
      require_rank("lossGradient", shape, 1, "[N]");
      require_batch("lossGradient", shape);
      problem_.loss_gradient = loss_gradient;
    } else {
      require_rank("lossGradient", shape, 0, "a scalar, because the loss is reduced");
      // Each sample's share of the reduced loss's gradient, which spares a pass over d_weights.
      const double divisor =
          options_.reduction == COSFACE_REDUCTION_MEAN ? static_cast<double>(std::max<int64_t>(counted(), 1)) : 1.0;
      shares.assign(static_cast<size_t>(problem_.batch), static_cast<float>(*loss_gradient / divisor));
      problem_.loss_gradient = shares.data();
      options_.reduction = COSFACE_REDUCTION_NONE;
    }
    cosface_margin_softmax_results results{};
    run(&results, 0);
  }

 private:
  static constexpr int no_gradients = -1;

  std::vector<int64_t> add_input(int index) {
    inputs_.push_back(scoped_tensor::input(api_, context_, index));
    return inputs_.back().shape();
  }

  scoped_tensor output(int index, int type, const std::vector<int64_t>& shape) const {
    return scoped_tensor::output(api_, context_, index, type, shape);
  }

  void require_batch(const char* name, const std::vector<int64_t>& shape) const {
    if (shape[0] == problem_.batch) return;
    fail("COSFACE_SHAPE",
         std::string(name) + " has shape " + to_text(shape) + ", expected [" + std::to_string(problem_.batch) +
             "] because embeddings has " + std::to_string(problem_.batch) + " rows",
         name);
  }

  const float* optional_input(int index, const char* name) {
    const std::vector<int64_t> shape = add_input(index);
    require_rank(name, shape, 1, "[N]");
    if (shape[0] == 0) return nullptr;
    require_batch(name, shape);
    return inputs_.back().data<float>();
  }

  void read_doubles() {
    std::array<double, 5> doubles;
    const std::vector<int64_t> shape = add_input(input::doubles);
    if (shape != std::vector<int64_t>{2 * doubles.size()}) {
      fail("COSFACE_SHAPE", "doubles has shape " + to_text(shape) + ", expected [10]: the bytes of 5 doubles",
           "doubles");
    }
    std::memcpy(doubles.data(), inputs_.back().data<void>(), sizeof doubles);
    options_.scale = doubles[0];
    options_.m1 = doubles[1];
    options_.m2 = doubles[2];
    options_.m3 = doubles[3];
    options_.gradient_tolerance = doubles[4];
  }

  int64_t counted() const {
    int64_t counted = 0;
    for (int64_t i = 0; i < problem_.batch; ++i) {
      const bool ignored = problem_.labels[i] == options_.ignore_label;
      const bool weightless = problem_.sample_weights != nullptr && problem_.sample_weights[i] == 0;
      if (!ignored && !weightless) ++counted;
    }
    return counted;
  }

  void run(cosface_margin_softmax_results* results, int first_gradient) const {
    std::vector<scoped_tensor> gradients;
    if (first_gradient != no_gradients) {
      gradients.push_back(output(first_gradient, type_float, {problem_.batch, problem_.dim}));
      gradients.push_back(output(first_gradient + 1, type_float, {problem_.classes, problem_.dim}));
      results->d_embeddings = gradients[0].data<float>();
      results->d_weights = gradients[1].data<float>();
    }
    cosface_error error{};
    if (cosface_margin_softmax(&problem_, &options_, results, &error) != COSFACE_OK) fail(error);
  }

  const tensorflow_api& api_;
  TF_OpKernelContext* context_;
  std::vector<scoped_tensor> inputs_;
  cosface_margin_softmax_problem problem_{};
  cosface_margin_softmax_options options_;
};

// Runs `body` and gives whatever leaves it to `report(TF_Status*)`.
template <typename Body, typename Report>
void guarded(const tensorflow_api& api, Body body, Report report) {
  const auto report_as = [&](int code, const char* message) {
    const scoped_status status(api);
    api.set_status(status.get(), code, message);
    report(status.get());
  };
  try {
    body();
  } catch (const failure& failure) {
    report_as(failure.code, failure.message.c_str());
  } catch (const std::bad_alloc&) {
    report_as(code_resource_exhausted, "COSFACE_OUT_OF_MEMORY: not enough memory for margin softmax {}");
  } catch (const std::exception& exception) {
    report_as(code_internal, exception.what());
  } catch (...) {
    report_as(code_internal, "unknown C++ exception in margin softmax");
  }
}

// tfjs-node and tfjs-node-gpu: nobody loads a third.
constexpr size_t max_libraries = 2;
std::array<tensorflow_api, max_libraries> libraries;
size_t library_count = 0;

// TensorFlow's callbacks carry nothing that says which library calls, so each library gets its own set.
template <size_t library>
struct library_callbacks {
  template <bool forward>
  static void* create(TF_OpKernelConstruction* construction) {
    const tensorflow_api& api = libraries[library];
    call_settings* settings = nullptr;
    guarded(
        api, [&] { settings = new call_settings(read_settings(api, construction, forward)); },
        [&](TF_Status* status) { api.construction_failure(construction, status); });
    return settings;
  }

  template <bool forward>
  static void compute(void* kernel, TF_OpKernelContext* context) {
    const tensorflow_api& api = libraries[library];
    const call_settings& settings = *static_cast<const call_settings*>(kernel);
    guarded(
        api,
        [&] {
          op_call call(api, context, settings);
          if constexpr (forward) {
            call.run_forward(settings.gradients);
          } else {
            call.run_gradient();
          }
        },
        [&](TF_Status* status) { api.context_failure(context, status); });
  }

  static void destroy(void* kernel) { delete static_cast<call_settings*>(kernel); }

  // Refines what is certain and leaves the rest unknown: the loss's rank and the number of gradients
  // depend on attributes that this API cannot read. Every refusal but a wrong rank is ignored, because
  // some releases reject every index above 0 with OUT_OF_RANGE.
  template <bool forward>
  static void infer_shapes(TF_ShapeInferenceContext* context, TF_Status* status) {
    const tensorflow_api& api = libraries[library];
    api.shape_set_unknown(context, status);
    const int first_gradient = forward ? 3 : 0;
    const auto pass_on = [&](int from, int64_t rank, int to) {
      if (api.get_code(status) == code_ok) pass_shape_on(api, context, {from, rank, to}, status);
    };
    if (forward) {
      pass_on(input::labels, 1, 1);
      pass_on(input::labels, 1, 2);
    }
    pass_on(input::embeddings, 2, first_gradient);
    pass_on(input::weights, 2, first_gradient + 1);
  }

 private:
  struct route {
    int from;
    int64_t rank;
    int to;
  };

  static void pass_shape_on(const tensorflow_api& api, TF_ShapeInferenceContext* context, const route& way,
                            TF_Status* status) {
    const std::unique_ptr<TF_ShapeHandle, void (*)(TF_ShapeHandle*)> shape(api.new_shape_handle(),
                                                                           api.delete_shape_handle);
    const scoped_status local(api);
    api.shape_get_input(context, way.from, shape.get(), local.get());
    if (!local.ok()) return;
    api.shape_with_rank(context, shape.get(), way.rank, shape.get(), status);
    if (api.get_code(status) != code_ok) return;
    api.shape_set_output(context, way.to, shape.get(), local.get());
  }
};

struct op_callbacks {
  create_function create;
  compute_function compute;
  delete_function destroy;
  shape_function infer_shapes;
};

template <bool forward>
op_callbacks callbacks_of(size_t library) {
  static_assert(max_libraries == 2);
  using first = library_callbacks<0>;
  using second = library_callbacks<1>;
  if (library == 0) {
    return {first::create<forward>, first::compute<forward>, first::destroy, first::infer_shapes<forward>};
  }
  return {second::create<forward>, second::compute<forward>, second::destroy, second::infer_shapes<forward>};
}

bool op_exists(const tensorflow_api& api, const char* name) {
  const scoped_status status(api);
  const std::unique_ptr<TF_Graph, void (*)(TF_Graph*)> graph(api.new_graph(), api.delete_graph);
  const std::unique_ptr<TF_Buffer, void (*)(TF_Buffer*)> definition(api.new_buffer(), api.delete_buffer);
  api.graph_get_op_def(graph.get(), name, definition.get(), status.get());
  return status.ok();
}

TF_OpDefinitionBuilder* define_op(const tensorflow_api& api, bool forward) {
  TF_OpDefinitionBuilder* builder = api.new_op_definition_builder(forward ? forward_op : gradient_op);
  std::vector<const char*> inputs = {"embeddings: float",     "weights: float",        "labels: int32",
                                     "sample_weights: float", "sample_margins: float", "doubles: int32"};
  std::vector<const char*> outputs = {"d_embeddings: float", "d_weights: float"};
  std::vector<const char*> attributes = {"ignore_label: int = -1", "reduction: {'none', 'mean', 'sum'} = 'mean'",
                                         "gradient: {'exact', 'detached'} = 'exact'",
                                         "sample_margin_term: {'m1', 'm2', 'm3'} = 'm3'",
                                         "precision: {'fp32', 'bf16-gradients', 'bf16'} = 'fp32'"};
  if (forward) {
    outputs = {"loss: float", "target_cosine: float", "prediction: int32", "gradients: num_gradients * float"};
    attributes.push_back("num_gradients: int >= 0 = 0");
  } else {
    inputs.push_back("loss_gradient: float");
  }
  for (const char* input : inputs) api.op_definition_add_input(builder, input);
  for (const char* output : outputs) api.op_definition_add_output(builder, output);
  for (const char* attribute : attributes) api.op_definition_add_attr(builder, attribute);
  return builder;
}

// Precondition: the op does not exist. TensorFlow answers a second definition by ending the process.
template <bool forward>
bool register_one(size_t library, std::string* error) {
  const tensorflow_api& api = libraries[library];
  const op_callbacks callbacks = callbacks_of<forward>(library);
  const char* name = forward ? forward_op : gradient_op;
  TF_OpDefinitionBuilder* builder = define_op(api, forward);
  if (api.infers_shapes()) api.op_definition_set_shape_function(builder, callbacks.infer_shapes);
  const scoped_status status(api);
  api.register_op_definition(builder, status.get());
  if (status.ok()) {
    TF_KernelBuilder* kernel =
        api.new_kernel_builder(name, "CPU", callbacks.create, callbacks.compute, callbacks.destroy);
    api.register_kernel_builder(name, kernel, status.get());
  }
  if (!status.ok()) *error = std::string("TensorFlow ") + api.version() + " refused " + name + ": " + status.message();
  return status.ok();
}

// The place of this library's table; a library is known by the address of one of its functions.
bool library_of(const tensorflow_api& api, size_t* library, std::string* error) {
  for (*library = 0; *library < library_count; ++*library) {
    if (libraries[*library].register_op_definition == api.register_op_definition) return true;
  }
  if (library_count == max_libraries) {
    *error = "this process has loaded more than two TensorFlow libraries";
    return false;
  }
  libraries[library_count++] = api;
  return true;
}

}  // namespace

registration register_op(const std::string& binding_path, std::string* error) {
  // Worker threads share one image of the addon, so this covers them all. A second copy of the addon in
  // another thread at the same instant is not covered; TensorFlow offers nothing to lock on.
  static std::mutex mutex;
  const std::lock_guard<std::mutex> lock(mutex);
  tensorflow_api api;
  if (!find_tensorflow_api(binding_path, &api, error)) return registration::failed;
  const bool forward_exists = op_exists(api, forward_op);
  const bool gradient_exists = op_exists(api, gradient_op);
  if (forward_exists && gradient_exists) return registration::already;
  size_t library = 0;
  if (!library_of(api, &library, error)) return registration::failed;
  if (!pin_module_of(&libraries, error)) return registration::failed;
  if (!forward_exists && !register_one<true>(library, error)) return registration::failed;
  if (!gradient_exists && !register_one<false>(library, error)) return registration::failed;
  return registration::registered;
}

}  // namespace cosface::tensorflow
