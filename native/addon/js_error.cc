#include "addon/js_error.h"

namespace cosface {

Napi::Error js_error(Napi::Env env, const std::string& code, const std::string& message, const error_place& place) {
  Napi::Error error = Napi::Error::New(env, message);
  error.Set("code", Napi::String::New(env, code));
  if (!place.argument.empty()) error.Set("argument", Napi::String::New(env, place.argument));
  if (place.index >= 0) error.Set("index", Napi::Number::New(env, static_cast<double>(place.index)));
  return error;
}

Napi::Error js_error(Napi::Env env, const cosface_error& error) {
  return js_error(env, cosface_status_code(error.status), error.message, {error.argument, error.index});
}

}  // namespace cosface
