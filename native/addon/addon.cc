#include "addon/addon.h"

#include <string>

#include "addon/call_arguments.h"
#include "addon/cuda_info.h"
#include "addon/cuda_library.h"
#include "addon/js_error.h"
#include "addon/margin_softmax_call.h"
#include "addon/margin_softmax_job.h"
#include "addon/margin_softmax_run.h"
#include "addon/resident_head.h"
#include "addon/resident_weights.h"
#include "addon/search_job.h"
#include "addon/tensorflow_op.h"
#include "cosface/machine_rates.h"
#include "cosface/margin_softmax.h"

namespace cosface {
namespace {

cosface_margin_softmax_plan make_plan(Napi::Env env, const plan_request& request) {
  cosface_margin_softmax_plan plan{};
  cosface_error error{};
  if (cosface_margin_softmax_make_plan(&request.problem, &request.options, request.gradients, &plan, &error) !=
      COSFACE_OK)
    throw js_error(env, error);
  return plan;
}

// A shape with work for every thread there is and memory for all of them, so that its plan says how many that are.
plan_request large_request() {
  plan_request request;
  cosface_margin_softmax_default_options(&request.options);
  request.problem.batch = 1 << 20;
  request.problem.classes = 1 << 20;
  request.problem.dim = 512;
  request.options.workspace_bytes = INT64_MAX;
  return request;
}

Napi::Array supported_isas(Napi::Env env) {
  Napi::Array isas = Napi::Array::New(env);
  uint32_t count = 0;
  for (int k = COSFACE_ISA_AUTO + 1; cosface_isa_name(static_cast<cosface_isa>(k)) != nullptr; k++) {
    const auto isa = static_cast<cosface_isa>(k);
    if (cosface_isa_supported(isa)) isas.Set(count++, Napi::String::New(env, cosface_isa_name(isa)));
  }
  return isas;
}

}  // namespace

addon::addon(Napi::Env env, Napi::Object exports) {
  DefineAddon(exports, {
                           InstanceValue("abiVersion", Napi::Number::New(env, COSFACE_ABI_VERSION), napi_enumerable),
                           InstanceMethod("marginSoftmax", &addon::margin_softmax),
                           InstanceMethod("marginSoftmaxAsync", &addon::margin_softmax_async),
                           InstanceMethod("topK", &addon::search<read_top_k>),
                           InstanceMethod("topKAsync", &addon::search_async<read_top_k>),
                           InstanceMethod("countAbove", &addon::search<read_count_above>),
                           InstanceMethod("countAboveAsync", &addon::search_async<read_count_above>),
                           InstanceMethod("impostorThresholds", &addon::search<read_impostor_thresholds>),
                           InstanceMethod("impostorThresholdsAsync", &addon::search_async<read_impostor_thresholds>),
                           InstanceMethod("plan", &addon::plan),
                           InstanceMethod("info", &addon::info),
                           InstanceMethod("cuda", &addon::call<cuda_info>),
                           InstanceMethod("usesCuda", &addon::call<uses_cuda>),
                           InstanceMethod("offerCudaLibrary", &addon::call<take_cuda_library>),
                           InstanceMethod("createResident", &addon::call<create_resident>),
                           InstanceMethod("runResident", &addon::call<run_resident>),
                           InstanceMethod("updateResident", &addon::call<update_resident>),
                           InstanceMethod("readResident", &addon::call<read_resident>),
                           InstanceMethod("writeResident", &addon::call<write_resident>),
                           InstanceMethod("freeResident", &addon::call<free_resident>),
                           InstanceMethod("createHead", &addon::call<create_head>),
                           InstanceMethod("stepHead", &addon::call<step_head>),
                           InstanceMethod("stepHeadAsync", &addon::call<step_head_async>),
                           InstanceMethod("readHead", &addon::call<read_head>),
                           InstanceMethod("writeHead", &addon::call<write_head>),
                           InstanceMethod("freeHead", &addon::call<free_head>),
                           InstanceMethod("uniformRows", &addon::call<uniform_rows>),
                           InstanceMethod("registerTensorflowOp", &addon::call<register_tensorflow_op>),
                           InstanceMethod("fmaRate", &addon::fma_rate),
                           InstanceMethod("memoryRate", &addon::memory_rate),
                           InstanceMethod("releaseWorkspace", &addon::release_workspace),
                       });
}

Napi::Value addon::margin_softmax(const Napi::CallbackInfo& info) {
  margin_softmax_call call = read_margin_softmax_call(info[0]);
  const margin_softmax_run run(info.Env(), call, call.results.d_weights != nullptr);
  cosface_error error{};
  if (run.run(call, error) != COSFACE_OK) throw js_error(info.Env(), error);
  return summary_of(info.Env(), call.results);
}

Napi::Value addon::margin_softmax_async(const Napi::CallbackInfo& info) {
  try {
    // The flags first: their getters may run JavaScript, and the call holds pointers into JavaScript's arrays.
    const Napi::Object object = require_object(info[0], "call");
    const bool gradients = read_flag(object, "gradients"), sample_gradients = read_flag(object, "sampleGradients");
    const margin_softmax_call call = read_margin_softmax_call(object);
    // On this thread, because JavaScript may change the environment while the job runs.
    const margin_softmax_run run(info.Env(), call, gradients);
    return start_margin_softmax_job(
        info.Env(), call,
        {.d_embeddings = gradients,
         .d_weights = gradients,
         .sample_gradients = sample_gradients,
         .run = [run](margin_softmax_call& c, cosface_error& error) { return run.run(c, error); }});
  } catch (const Napi::Error& error) {
    const auto deferred = Napi::Promise::Deferred::New(info.Env());
    deferred.Reject(error.Value());
    return deferred.Promise();
  }
}

Napi::Value addon::plan(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const plan_request request = read_plan_request(info[0]);
  const cosface_margin_softmax_plan plan = make_plan(env, request);
  char description[1024];
  cosface_margin_softmax_describe_plan(&request.problem, &request.options, request.gradients, &plan, description,
                                       sizeof description);
  const auto number = [env](int64_t value) { return Napi::Number::New(env, static_cast<double>(value)); };
  Napi::Object result = Napi::Object::New(env);
  result.Set("isa", Napi::String::New(env, cosface_isa_name(plan.isa)));
  result.Set("threads", number(plan.threads));
  result.Set("rowShift", Napi::Boolean::New(env, plan.row_shift != 0));
  result.Set("keep", Napi::Boolean::New(env, plan.keep != 0));
  result.Set("packWeights", Napi::Boolean::New(env, plan.pack_weights != 0));
  result.Set("keepNorms", Napi::Boolean::New(env, plan.keep_norms != 0));
  result.Set("rowBlock", number(plan.row_block));
  result.Set("rowGroup", number(plan.row_group));
  result.Set("classSlab", number(plan.class_slab));
  result.Set("classBlock", number(plan.class_block));
  result.Set("turnClasses", number(plan.turn_classes));
  result.Set("blocksPerTask", number(plan.blocks_per_task));
  result.Set("featureDepth", number(plan.feature_depth));
  result.Set("sampleDepth", number(plan.sample_depth));
  result.Set("workspaceBytes", number(plan.workspace_bytes));
  result.Set("description", Napi::String::New(env, description));
  return result;
}

Napi::Value addon::info(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const cosface_margin_softmax_plan plan = make_plan(env, large_request());
  Napi::Object result = Napi::Object::New(env);
  result.Set("abiVersion", Napi::Number::New(env, COSFACE_ABI_VERSION));
  result.Set("isa", Napi::String::New(env, cosface_isa_name(plan.isa)));
  result.Set("isas", supported_isas(env));
  result.Set("threads", Napi::Number::New(env, plan.threads));
  result.Set("tensorflow", tensorflow_info(env));
  return result;
}

Napi::Value addon::fma_rate(const Napi::CallbackInfo& info) {
  const auto [options, seconds, array_bytes] = read_rate_request(info[0]);
  return Napi::Number::New(info.Env(), cosface_fma_rate(options.isa, options.precision, options.threads, seconds));
}

Napi::Value addon::memory_rate(const Napi::CallbackInfo& info) {
  const auto [options, seconds, array_bytes] = read_rate_request(info[0]);
  return Napi::Number::New(info.Env(), cosface_memory_rate(array_bytes, options.threads, seconds));
}

void addon::release_workspace(const Napi::CallbackInfo&) {
  cosface_release_workspace();
  release_cuda_devices();
}

}  // namespace cosface

using cosface_addon = cosface::addon;
NODE_API_ADDON(cosface_addon)
