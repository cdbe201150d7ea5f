#include "addon/cuda_info.h"

#include <optional>
#include <string>

#include "addon/call_arguments.h"
#include "addon/cuda_library.h"
#include "addon/js_error.h"
#include "addon/margin_softmax_call.h"

namespace cosface {
namespace {

Napi::Object unavailable(Napi::Env env, const std::string& reason) {
  Napi::Object result = Napi::Object::New(env);
  result.Set("available", Napi::Boolean::New(env, false));
  result.Set("reason", Napi::String::New(env, reason));
  return result;
}

std::string version_text(int32_t version) {
  return std::to_string(version / 1000) + "." + std::to_string(version % 1000 / 10);
}

Napi::Object describe(Napi::Env env, const cosface_cuda_device_info& device) {
  const auto number = [env](int64_t value) { return Napi::Number::New(env, static_cast<double>(value)); };
  Napi::Object result = Napi::Object::New(env);
  result.Set("available", Napi::Boolean::New(env, true));
  result.Set("reason", env.Null());
  result.Set("device", Napi::String::New(env, "cuda:" + std::to_string(device.ordinal)));
  result.Set("devices", number(device.device_count));
  result.Set("name", Napi::String::New(env, device.name));
  result.Set("architecture", Napi::String::New(env, "sm_" + std::to_string(device.capability)));
  result.Set("multiprocessors", number(device.multiprocessors));
  result.Set("memoryBytes", number(device.memory_bytes));
  result.Set("freeBytes", number(device.free_bytes));
  result.Set("driver", Napi::String::New(env, version_text(device.driver_version)));
  result.Set("driverFile", Napi::String::New(env, device.driver_file));
  result.Set("kernels", Napi::String::New(env, device.architectures));
  result.Set("plan", env.Null());
  return result;
}

std::string plan_text(const cosface_cuda_library& library, int32_t ordinal, const plan_request& request) {
  char text[1024];
  cosface_error error{};
  cosface_margin_softmax_options options = request.options;
  if (request.workspace_is_default) options.workspace_bytes = 0;
  const cosface_status status =
      library.describe_plan(ordinal, &request.problem, &options, request.gradients, text, sizeof text, &error);
  return status == COSFACE_OK ? text : error.message;
}

}  // namespace

Napi::Value cuda_info(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const auto ordinal = static_cast<int32_t>(read_integer(info[0], "ordinal", 0, int32_range));
  std::optional<plan_request> request;
  if (!info[1].IsUndefined()) request = read_plan_request(info[1]);
  std::string reason;
  const cosface_cuda_library* library = use_cuda_device(ordinal, true, &reason);
  if (library == nullptr) return unavailable(env, reason);
  cosface_cuda_device_info device{};
  cosface_error error{};
  if (library->describe_device(ordinal, &device, &error) != COSFACE_OK) return unavailable(env, error.message);
  Napi::Object result = describe(env, device);
  if (request) result.Set("plan", Napi::String::New(env, plan_text(*library, ordinal, *request)));
  return result;
}

}  // namespace cosface
