#include "addon/device_request.h"

#include "addon/call_arguments.h"
#include "addon/cuda_library.h"
#include "addon/js_error.h"

namespace cosface {
namespace {

constexpr choice devices[] = {{"cpu", static_cast<int>(device_kind::cpu)},
                              {"auto", static_cast<int>(device_kind::automatic)},
                              {"cuda", static_cast<int>(device_kind::cuda)}};

}  // namespace

device_request read_device_request(const Napi::Object& call) {
  device_request request;
  request.kind =
      static_cast<device_kind>(read_choice(call.Get("device"), "device", static_cast<int>(device_kind::cpu), devices));
  request.ordinal = static_cast<int32_t>(read_integer(call.Get("ordinal"), "ordinal", 0, int32_range));
  const Napi::Value asked_by = call.Get("deviceAskedBy");
  request.asked_by = asked_by.IsString() ? asked_by.As<Napi::String>().Utf8Value() : "device";
  return request;
}

const cosface_cuda_library* find_device(Napi::Env env, const device_request& request) {
  if (request.kind == device_kind::cpu) return nullptr;
  const bool is_required = request.kind == device_kind::cuda;
  std::string reason;
  const cosface_cuda_library* library = use_cuda_device(request.ordinal, is_required, &reason);
  if (library == nullptr && is_required)
    throw js_error(env, "COSFACE_DEVICE_UNAVAILABLE",
                   request.asked_by + " asks for a GPU, but " + reason + " Or ask for 'cpu' or 'auto'.",
                   {request.asked_by});
  return library;
}

Napi::Value take_cuda_library(const Napi::CallbackInfo& info) {
  offer_cuda_library(info[0].ToString().Utf8Value());
  return info.Env().Undefined();
}

Napi::Value uses_cuda(const Napi::CallbackInfo& info) {
  const device_request request = read_device_request(require_object(info[0], "call"));
  return Napi::Boolean::New(info.Env(), find_device(info.Env(), request) != nullptr);
}

}  // namespace cosface
