#include "addon/resident_head.h"

#include <cmath>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "addon/call_arguments.h"
#include "addon/handle.h"
#include "addon/js_error.h"
#include "addon/margin_softmax_call.h"
#include "addon/margin_softmax_job.h"
#include "cosface/resident_head.h"

namespace cosface {
namespace {

constexpr napi_type_tag handle_tag{0x636f736661636572, 0x6573696468656164};

constexpr choice optimizers[] = {{"sgd", COSFACE_OPTIMIZER_SGD}, {"adamw", COSFACE_OPTIMIZER_ADAMW}};
constexpr choice parts[] = {{"weights", COSFACE_HEAD_WEIGHTS},
                            {"velocity", COSFACE_HEAD_VELOCITY},
                            {"firstMoment", COSFACE_HEAD_FIRST_MOMENT},
                            {"secondMoment", COSFACE_HEAD_SECOND_MOMENT},
                            {"updates", COSFACE_HEAD_UPDATES}};

struct head_handle {
  int64_t classes, dim;
  // Null once freed; a running step holds another one.
  std::shared_ptr<cosface_resident_head> head;
};

head_handle& require_handle(const Napi::Value& value) {
  return data_of_handle<head_handle>(value, handle_tag, "createHead");
}

head_handle& require_open(const Napi::Value& value) {
  head_handle& found = require_handle(value);
  if (found.head == nullptr)
    throw js_error(value.Env(), "COSFACE_DISPOSED",
                   "the resident head has been disposed of, expected one in use. Create a new one.");
  return found;
}

std::optional<cosface_resident_head_update> read_update(const Napi::Value& value) {
  if (value.IsNull()) return std::nullopt;
  const Napi::Object object = require_object(value, "update");
  return cosface_resident_head_update{.learning_rate = read_number(object.Get("learningRate"), "learningRate", NAN),
                                      .weight_decay = read_number(object.Get("weightDecay"), "weightDecay", 0)};
}

struct head_step {
  std::optional<cosface_resident_head_update> update;
  margin_softmax_call call;
  std::shared_ptr<cosface_resident_head> head;
  cosface_margin_softmax_plan plan{};

  // (handle, call, update). Plans on this thread, because JavaScript may change the environment while a step runs.
  explicit head_step(const Napi::CallbackInfo& info) : update(read_update(info[2])) {
    const head_handle& handle = require_handle(info[0]);
    call = read_resident_call(info[1], handle.classes, handle.dim);
    // Now only: a getter of the call might have disposed of the head.
    head = require_open(info[0]).head;
    cosface_error error{};
    require_ok(
        info.Env(),
        cosface_resident_head_make_plan(head.get(), &call.problem, &call.options, update.has_value(), &plan, &error),
        error);
  }

  cosface_status run(margin_softmax_call& c, cosface_error& error) const {
    return cosface_resident_head_step(head.get(), &c.problem, &c.options, &plan, update ? &*update : nullptr,
                                      &c.results, &error);
  }
};

struct rows_argument {
  cosface_resident_head_part part;
  int64_t first, count;
  void* values;
};

rows_argument read_rows(const Napi::CallbackInfo& info, const head_handle& of) {
  rows_argument rows{};
  rows.part = static_cast<cosface_resident_head_part>(read_choice(info[1], "part", COSFACE_HEAD_WEIGHTS, parts));
  rows.first = read_integer(info[2], "firstClass", 0, dimension_range);
  const bool counts = rows.part == COSFACE_HEAD_UPDATES;
  array_argument values("values", info[3]);
  values.open(counts ? napi_int32_array : napi_float32_array);
  const int64_t length = static_cast<int64_t>(values.length), row = counts ? 1 : of.dim;
  if (length % row != 0) values.reject_length("a multiple of dim (" + std::to_string(of.dim) + ")");
  rows.count = length / row;
  rows.values = values.data;
  return rows;
}

}  // namespace

Napi::Value create_head(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const Napi::Object object = require_object(info[0], "options");
  cosface_resident_head_options o;
  cosface_resident_head_default_options(&o);
  o.classes = read_integer(object.Get("classes"), "classes", 0, class_range);
  o.dim = read_integer(object.Get("dim"), "dim", 0, dim_range);
  o.optimizer =
      static_cast<cosface_optimizer>(read_choice(object.Get("optimizer"), "optimizer", o.optimizer, optimizers));
  o.momentum = read_number(object.Get("momentum"), "momentum", o.momentum);
  o.beta1 = read_number(object.Get("beta1"), "beta1", o.beta1);
  o.beta2 = read_number(object.Get("beta2"), "beta2", o.beta2);
  o.epsilon = read_number(object.Get("epsilon"), "epsilon", o.epsilon);
  o.normalize = read_flag(object, "normalize");
  cosface_error error{};
  cosface_resident_head* head = nullptr;
  require_ok(env, cosface_resident_head_create(&o, &head, &error), error);
  auto created = std::make_unique<head_handle>(
      head_handle{o.classes, o.dim, std::shared_ptr<cosface_resident_head>(head, cosface_resident_head_free)});
  return new_handle(env, std::move(created), handle_tag);
}

Napi::Value step_head(const Napi::CallbackInfo& info) {
  head_step step(info);
  cosface_error error{};
  require_ok(info.Env(), step.run(step.call, error), error);
  return summary_of(info.Env(), step.call.results);
}

Napi::Value step_head_async(const Napi::CallbackInfo& info) {
  try {
    const auto step = std::make_shared<head_step>(info);
    return start_margin_softmax_job(
        info.Env(), step->call,
        {.d_embeddings = step->update.has_value(),
         .d_weights = false,
         .run = [step](margin_softmax_call& call, cosface_error& error) { return step->run(call, error); }});
  } catch (const Napi::Error& error) {
    const auto deferred = Napi::Promise::Deferred::New(info.Env());
    deferred.Reject(error.Value());
    return deferred.Promise();
  }
}

void read_head(const Napi::CallbackInfo& info) {
  const head_handle& handle = require_open(info[0]);
  const auto [part, first, count, values] = read_rows(info, handle);
  cosface_error error{};
  require_ok(info.Env(), cosface_resident_head_read(handle.head.get(), part, first, count, values, &error), error);
}

void write_head(const Napi::CallbackInfo& info) {
  const head_handle& handle = require_open(info[0]);
  const auto [part, first, count, values] = read_rows(info, handle);
  cosface_error error{};
  require_ok(info.Env(), cosface_resident_head_write(handle.head.get(), part, first, count, values, &error), error);
}

void free_head(const Napi::CallbackInfo& info) { require_handle(info[0]).head.reset(); }

void uniform_rows(const Napi::CallbackInfo& info) {
  const Napi::Object object = require_object(info[0], "request");
  const int64_t seed = read_integer(object.Get("seed"), "seed", 0,
                                    {-largest_safe_integer, largest_safe_integer, "COSFACE_OPTION_RANGE"});
  const int64_t first = read_integer(object.Get("firstRow"), "firstRow", 0, dimension_range);
  const int64_t dim = read_integer(object.Get("dim"), "dim", 0, dim_range);
  const double bound = read_number(object.Get("bound"), "bound", 1);
  array_argument values(object, "values");
  values.open(napi_float32_array);
  cosface_uniform_rows(static_cast<uint64_t>(seed), first, static_cast<int64_t>(values.length) / dim, dim, bound,
                       values.as<float>());
}

}  // namespace cosface
