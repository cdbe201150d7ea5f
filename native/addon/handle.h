// What JavaScript holds of an object of ours: a tagged external, which its finalizer deletes.
#pragma once

#include <napi.h>

#include <memory>
#include <string>

#include "addon/call_arguments.h"
#include "addon/js_error.h"

namespace cosface {

template <class T>
Napi::Value new_handle(Napi::Env env, std::unique_ptr<T> data, const napi_type_tag& tag) {
  auto handle = Napi::External<T>::New(env, data.get(), [](Napi::Env, T* owned) { delete owned; });
  data.release();
  handle.TypeTag(&tag);
  return handle;
}

// `maker` is the function that gives such handles, for the error about another value.
template <class T>
T& data_of_handle(const Napi::Value& value, const napi_type_tag& tag, const std::string& maker) {
  if (!value.IsExternal() || !value.As<Napi::External<T>>().CheckTypeTag(&tag))
    throw js_error(value.Env(), "COSFACE_DTYPE", "handle is " + kind_of(value) + ", expected one of " + maker + ".",
                   {"handle"});
  return *value.As<Napi::External<T>>().Data();
}

}  // namespace cosface
