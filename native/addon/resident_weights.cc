#include "addon/resident_weights.h"

#include <memory>
#include <string>
#include <utility>

#include "addon/call_arguments.h"
#include "addon/device_request.h"
#include "addon/handle.h"
#include "addon/js_error.h"
#include "addon/margin_softmax_call.h"
#include "addon/margin_softmax_job.h"
#include "addon/margin_softmax_run.h"

namespace cosface {
namespace {

constexpr napi_type_tag handle_tag{0x636f736661636572, 0x65736964656e7473};

constexpr choice parts[] = {
    {"weights", COSFACE_CUDA_WEIGHTS}, {"gradient", COSFACE_CUDA_GRADIENT}, {"velocity", COSFACE_CUDA_VELOCITY}};

struct resident {
  const cosface_cuda_library* library;
  int64_t classes, dim;
  cosface_cuda_resident* weights = nullptr;  // null once freed

  resident(const cosface_cuda_library* library, int64_t classes, int64_t dim)
      : library(library), classes(classes), dim(dim) {}
  ~resident() { free(); }
  resident(const resident&) = delete;
  resident& operator=(const resident&) = delete;

  void free() { library->free_resident(std::exchange(weights, nullptr)); }
};

resident& require_handle(const Napi::Value& value) {
  return data_of_handle<resident>(value, handle_tag, "createResident");
}

resident& require_open(const Napi::Value& value) {
  resident& found = require_handle(value);
  if (found.weights == nullptr)
    throw js_error(value.Env(), "COSFACE_DISPOSED",
                   "the resident weights have been disposed of, expected ones in use. Create new ones.");
  return found;
}

struct rows_argument {
  cosface_cuda_part part;
  int64_t first, count;
  float* values;
};

rows_argument read_rows(const Napi::CallbackInfo& info, const resident& of) {
  rows_argument rows{};
  rows.part = static_cast<cosface_cuda_part>(read_choice(info[1], "part", COSFACE_CUDA_WEIGHTS, parts));
  rows.first = read_integer(info[2], "firstRow", 0, dimension_range);
  array_argument values("values", info[3]);
  values.open(napi_float32_array);
  const int64_t length = static_cast<int64_t>(values.length);
  if (length % of.dim != 0) values.reject_length("a multiple of dim (" + std::to_string(of.dim) + ")");
  rows.count = length / of.dim;
  rows.values = values.as<float>();
  return rows;
}

}  // namespace

Napi::Value create_resident(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const Napi::Object options = require_object(info[0], "options");
  device_request device = read_device_request(options);
  device.kind = device_kind::cuda;
  const int64_t dim = read_integer(options.Get("dim"), "dim", 0, dim_range);
  const int64_t classes = read_integer(options.Get("classes"), "classes", 0, class_range);
  array_argument weights(options, "weights");
  if (weights.given()) {
    weights.open(napi_float32_array);
    weights.require_length(classes * dim, "one row of dim for each class");
  }
  const cosface_cuda_library* library = find_device(env, device);
  auto created = std::make_unique<resident>(library, classes, dim);
  cosface_error error{};
  require_ok(env,
             library->create_resident(device.ordinal, classes, dim, weights.as<float>(), &created->weights, &error),
             error);
  return new_handle(env, std::move(created), handle_tag);
}

Napi::Value run_resident(const Napi::CallbackInfo& info) {
  const resident& handle = require_handle(info[0]);
  margin_softmax_call call = read_resident_call(info[1], handle.classes, handle.dim);
  // Now only: a getter of the call might have disposed of the weights.
  const resident& weights = require_open(info[0]);
  const cosface_margin_softmax_options options = cuda_options(call);
  const bool sampled = call.problem.class_ids != nullptr;
  const cosface_cuda_class_subset subset{.ids = call.problem.class_ids, .total = weights.classes};
  if (sampled) call.problem.classes = call.problem.class_count;
  call.problem.class_ids = nullptr;
  const cosface_cuda_call cuda_call{.problem = &call.problem,
                                    .options = &options,
                                    .subset = sampled ? &subset : nullptr,
                                    .results = &call.results,
                                    .workspace = nullptr,
                                    .workspace_bytes = 0};
  cosface_error error{};
  require_ok(info.Env(), weights.library->run_resident(weights.weights, &cuda_call, info[2].ToBoolean(), &error),
             error);
  return summary_of(info.Env(), call.results);
}

void update_resident(const Napi::CallbackInfo& info) {
  const Napi::Object options = require_object(info[1], "options");
  const cosface_cuda_sgd sgd{.learning_rate = read_number(options.Get("learningRate"), "learningRate", 0),
                             .momentum = read_number(options.Get("momentum"), "momentum", 0),
                             .weight_decay = read_number(options.Get("weightDecay"), "weightDecay", 0)};
  const resident& weights = require_open(info[0]);
  cosface_error error{};
  require_ok(info.Env(), weights.library->update_resident(weights.weights, &sgd, &error), error);
}

void read_resident(const Napi::CallbackInfo& info) {
  const resident& weights = require_open(info[0]);
  const auto [part, first, count, values] = read_rows(info, weights);
  cosface_error error{};
  require_ok(info.Env(), weights.library->read_resident(weights.weights, part, first, count, values, &error), error);
}

void write_resident(const Napi::CallbackInfo& info) {
  const resident& weights = require_open(info[0]);
  const auto [part, first, count, values] = read_rows(info, weights);
  cosface_error error{};
  require_ok(info.Env(), weights.library->write_resident(weights.weights, part, first, count, values, &error), error);
}

void free_resident(const Napi::CallbackInfo& info) { require_handle(info[0]).free(); }

}  // namespace cosface
