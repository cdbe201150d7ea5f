// The op, its registration and its callbacks as they are, over a cosface_margin_softmax that records what it is given
// or throws. For test/tensorflow: nothing else can show which memory the op hands over, or make it meet an exception.
#include <dlfcn.h>
#include <node_api.h>

#include <new>
#include <stdexcept>
#include <string>
#include <vector>

#include "cosface/margin_softmax.h"
#include "tensorflow/margin_softmax_op.h"

namespace {

cosface_margin_softmax_problem last_problem;
cosface_margin_softmax_options last_options;
cosface_margin_softmax_results last_results;
int calls = 0;
std::string behaviour = "record";

}  // namespace

extern "C" {

void cosface_margin_softmax_default_options(cosface_margin_softmax_options* options) { *options = {}; }

const char* cosface_status_code(cosface_status) { return "COSFACE_TEST"; }

cosface_status cosface_margin_softmax(const cosface_margin_softmax_problem* problem,
                                      const cosface_margin_softmax_options* options,
                                      cosface_margin_softmax_results* results, cosface_error*) {
  if (behaviour == "runtime_error") throw std::runtime_error("thrown by the test");
  if (behaviour == "bad_alloc") throw std::bad_alloc();
  if (behaviour == "int") throw 7;
  last_problem = *problem;
  last_options = *options;
  last_results = *results;
  calls++;
  results->reduced_loss = options->scale;
  return COSFACE_OK;
}

}  // extern "C"

namespace {

napi_value number(napi_env env, double value) {
  napi_value result;
  napi_create_double(env, value, &result);
  return result;
}

// Addresses are below 2^53.
napi_value address(napi_env env, const void* pointer) {
  return number(env, static_cast<double>(reinterpret_cast<uintptr_t>(pointer)));
}

napi_value first_argument(napi_env env, napi_callback_info info) {
  size_t count = 1;
  napi_value value = nullptr;
  napi_get_cb_info(env, info, &count, &value, nullptr, nullptr);
  return value;
}

std::string text(napi_env env, napi_value value) {
  char characters[4096] = {};
  napi_get_value_string_utf8(env, value, characters, sizeof characters, nullptr);
  return characters;
}

napi_value to_value(napi_env env, const std::string& string) {
  napi_value value;
  napi_create_string_utf8(env, string.data(), string.size(), &value);
  return value;
}

napi_value register_op(napi_env env, napi_callback_info info) {
  cosface::tensorflow::registration outcome;
  std::string error;
  if (!cosface::tensorflow::register_op(text(env, first_argument(env, info)), "not here", &outcome, &error))
    napi_throw_error(env, nullptr, error.c_str());
  return to_value(env, outcome.new_op ? "registered" : "already");
}

napi_value behave(napi_env env, napi_callback_info info) {
  behaviour = text(env, first_argument(env, info));
  return nullptr;
}

napi_value last_call(napi_env env, napi_callback_info) {
  napi_value result;
  napi_create_object(env, &result);
  const auto set = [&](const char* name, napi_value value) { napi_set_named_property(env, result, name, value); };
  set("calls", number(env, calls));
  set("embeddings", address(env, last_problem.embeddings));
  set("weights", address(env, last_problem.weights));
  set("labels", address(env, last_problem.labels));
  set("sampleWeights", address(env, last_problem.sample_weights));
  set("targetCosine", address(env, last_results.target_cosine));
  set("dEmbeddings", address(env, last_results.d_embeddings));
  set("dWeights", address(env, last_results.d_weights));
  set("precision", number(env, last_options.precision));
  set("gradientTolerance", number(env, last_options.gradient_tolerance));
  return result;
}

napi_value address_of(napi_env env, napi_callback_info info) {
  void* data = nullptr;
  napi_get_typedarray_info(env, first_argument(env, info), nullptr, nullptr, &data, nullptr, nullptr);
  return address(env, data);
}

// The C API of graphs, which tfjs-node never calls. Opaque types are void*.
struct graph_output {
  void* operation;
  int index;
};

class graph {
 public:
  explicit graph(const std::string& binding_path)
      : module_(dlopen(binding_path.c_str(), RTLD_LAZY | RTLD_NOLOAD)),
        graph_(call<void*>("TF_NewGraph")),
        status_(call<void*>("TF_NewStatus")) {}

  graph_output placeholder(const std::string& name, int type, const std::vector<int64_t>& shape) {
    void* description = call<void*>("TF_NewOperation", graph_, "Placeholder", name.c_str());
    call<void>("TF_SetAttrType", description, "dtype", type);
    call<void>("TF_SetAttrShape", description, "shape", shape.data(), static_cast<int>(shape.size()));
    return {call<void*>("TF_FinishOperation", description, status_), 0};
  }

  // nullptr where shape inference refuses.
  void* margin_softmax(const std::vector<graph_output>& inputs, int64_t gradients) {
    void* description = call<void*>("TF_NewOperation", graph_, "CosfaceMarginSoftmaxV2", "op");
    for (const graph_output& input : inputs) call<void>("TF_AddInput", description, input);
    call<void>("TF_SetAttrInt", description, "num_gradients", gradients);
    return call<void*>("TF_FinishOperation", description, status_);
  }

  std::string shape_of(const graph_output& output) {
    const int rank = call<int>("TF_GraphGetTensorNumDims", graph_, output, status_);
    if (rank < 0) return "unknown";
    std::vector<int64_t> shape(static_cast<size_t>(rank));
    call<void>("TF_GraphGetTensorShape", graph_, output, shape.data(), rank, status_);
    std::string joined;
    for (const int64_t extent : shape) joined += (joined.empty() ? "" : ",") + std::to_string(extent);
    return joined;
  }

  std::string message() { return call<const char*>("TF_Message", status_); }

 private:
  template <typename Result, typename... Arguments>
  Result call(const char* name, Arguments... arguments) {
    return reinterpret_cast<Result (*)(Arguments...)>(dlsym(module_, name))(arguments...);
  }

  void* module_;
  void* graph_;
  void* status_;
};

// The shapes of the op's outputs in a graph with N 4, C 6 and D 5; or why there is none, given labels of rank 2.
napi_value infer_shapes(napi_env env, napi_callback_info info) {
  size_t count = 2;
  napi_value arguments[2];
  napi_get_cb_info(env, info, &count, arguments, nullptr, nullptr);
  bool wrong_rank = false;
  napi_get_value_bool(env, arguments[1], &wrong_rank);
  constexpr int type_float = 1, type_int32 = 3;
  graph graph(text(env, arguments[0]));
  const std::vector<int64_t> labels = wrong_rank ? std::vector<int64_t>{4, 1} : std::vector<int64_t>{4};
  std::vector<graph_output> inputs = {
      graph.placeholder("embeddings", type_float, {4, 5}),
      graph.placeholder("weights", type_float, {6, 5}),
      graph.placeholder("labels", type_int32, labels),
  };
  for (const char* not_given : {"sample_weights", "sample_m1", "sample_m2", "sample_m3", "bias"})
    inputs.push_back(graph.placeholder(not_given, type_float, {0}));
  inputs.push_back(graph.placeholder("doubles", type_int32, {26}));
  void* operation = graph.margin_softmax(inputs, 2);
  if (operation == nullptr) return to_value(env, graph.message());
  std::string shapes;
  for (int i = 0; i < 5; i++) shapes += (i == 0 ? "" : " ") + graph.shape_of({operation, i});
  return to_value(env, shapes);
}

napi_value initialize(napi_env env, napi_value exports) {
  const struct {
    const char* name;
    napi_callback function;
  } functions[] = {{"registerOp", register_op},
                   {"behave", behave},
                   {"lastCall", last_call},
                   {"addressOf", address_of},
                   {"inferShapes", infer_shapes}};
  for (const auto& [name, function] : functions) {
    napi_value value;
    napi_create_function(env, name, NAPI_AUTO_LENGTH, function, nullptr, &value);
    napi_set_named_property(env, exports, name, value);
  }
  return exports;
}

}  // namespace

NAPI_MODULE(op_probe, initialize)
