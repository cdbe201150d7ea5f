// The op inside tfjs-node's TensorFlow, as JavaScript asks for it.
#pragma once

#include <napi.h>

namespace cosface {

// (bindingPath, withoutGpu) -> { outcome, devices, gpuReason }: src/native/addon.ts.
Napi::Value register_tensorflow_op(const Napi::CallbackInfo& info);

// What the last registration in this process came to, { devices, gpuReason }; null before it.
Napi::Value tensorflow_info(Napi::Env env);

}  // namespace cosface
