#include "addon/tensorflow_op.h"

#include <mutex>
#include <optional>
#include <string>

#include "addon/js_error.h"
#include "tensorflow/margin_softmax_op.h"

namespace cosface {
namespace {

// Of all threads: TensorFlow's registry is one for the process.
struct last_registration {
  std::mutex mutex;
  std::optional<tensorflow::registration> value;
};

last_registration& the_last_registration() {
  static auto* instance = new last_registration;
  return *instance;
}

Napi::Object to_object(Napi::Env env, const tensorflow::registration& registration) {
  Napi::Object object = Napi::Object::New(env);
  Napi::Array devices = Napi::Array::New(env);
  for (const std::string& device : registration.devices) devices.Set(devices.Length(), device);
  object.Set("devices", devices);
  const bool has_reason = !registration.gpu_reason.empty();
  object.Set("gpuReason", has_reason ? Napi::Value(Napi::String::New(env, registration.gpu_reason)) : env.Null());
  return object;
}

}  // namespace

Napi::Value register_tensorflow_op(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  if (!info[0].IsString())
    throw js_error(env, "COSFACE_DTYPE", "bindingPath is not a string, expected the path of tfjs-node's binding.",
                   {"bindingPath"});
  const std::string path = info[0].As<Napi::String>().Utf8Value();
  const std::string without_gpu = info[1].IsString() ? info[1].As<Napi::String>().Utf8Value() : "";
  tensorflow::registration registration;
  std::string error;
  if (!tensorflow::register_op(path, without_gpu, &registration, &error))
    throw js_error(env, "COSFACE_TENSORFLOW", error, {"bindingPath"});
  last_registration& last = the_last_registration();
  const std::lock_guard lock(last.mutex);
  last.value = registration;
  Napi::Object result = to_object(env, registration);
  result.Set("outcome", Napi::String::New(env, registration.new_op ? "registered" : "already"));
  return result;
}

Napi::Value tensorflow_info(Napi::Env env) {
  last_registration& last = the_last_registration();
  const std::lock_guard lock(last.mutex);
  return last.value.has_value() ? Napi::Value(to_object(env, *last.value)) : env.Null();
}

}  // namespace cosface
