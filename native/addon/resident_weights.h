// Weights that stay on a GPU: handles for src/native/resident-weights.ts.
#pragma once

#include <napi.h>

namespace cosface {

// ({ weights?, classes, dim, ordinal }) -> handle. Throws Napi::Error: COSFACE_DEVICE_UNAVAILABLE,
// COSFACE_OUT_OF_MEMORY, and what is wrong with the arguments.
Napi::Value create_resident(const Napi::CallbackInfo& info);
// (handle, call, gradients) -> summary; outputs are written in place.
Napi::Value run_resident(const Napi::CallbackInfo& info);
// (handle, { learningRate, momentum, weightDecay })
void update_resident(const Napi::CallbackInfo& info);
// (handle, part, firstRow, Float32Array): whole rows, to the array and from it.
void read_resident(const Napi::CallbackInfo& info);
void write_resident(const Napi::CallbackInfo& info);
// (handle): gives the memory back now instead of when the handle is collected. Any call after it is an error.
void free_resident(const Napi::CallbackInfo& info);

}  // namespace cosface
