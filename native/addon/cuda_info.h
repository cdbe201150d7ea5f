// What is there for CUDA, as an object of JavaScript. src/native/addon.ts has its type.
#pragma once

#include <napi.h>

namespace cosface {

// (ordinal, shape?) -> { available, reason, ... }. What cannot be used is told and no error. Throws Napi::Error for
// arguments that are wrong.
Napi::Value cuda_info(const Napi::CallbackInfo& info);

}  // namespace cosface
