// Class centres that stay in native memory: handles for src/native/resident-head.ts.
#pragma once

#include <napi.h>

namespace cosface {

// ({ classes, dim, optimizer, momentum, beta1, beta2, epsilon, normalize }) -> handle. Throws Napi::Error:
// COSFACE_OPTION_RANGE, COSFACE_SHAPE, COSFACE_OUT_OF_MEMORY.
Napi::Value create_head(const Napi::CallbackInfo& info);
// (handle, call, { learningRate, weightDecay } or null) -> summary; outputs are written in place. Null: w stays.
Napi::Value step_head(const Napi::CallbackInfo& info);
// The same off the event loop: copies the inputs before it returns, and gives a promise of outputs of its own.
Napi::Value step_head_async(const Napi::CallbackInfo& info);
// (handle, part, firstClass, array): whole rows, to the array and from it.
void read_head(const Napi::CallbackInfo& info);
void write_head(const Napi::CallbackInfo& info);
// (handle): gives the memory back as soon as no step is running. Any call after it is an error.
void free_head(const Napi::CallbackInfo& info);
// ({ seed, firstRow, dim, bound, values }): fills rows of a random matrix.
void uniform_rows(const Napi::CallbackInfo& info);

}  // namespace cosface
