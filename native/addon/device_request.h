// Which device a call asks for, and what that comes to.
#pragma once

#include <napi.h>

#include <string>

#include "cosface/cuda.h"

namespace cosface {

enum class device_kind {
  cpu,
  automatic,  // a GPU that can be used, else the CPU
  cuda
};

struct device_request {
  device_kind kind = device_kind::cpu;
  int32_t ordinal = 0;   // of the GPU
  std::string asked_by;  // the option or the environment variable, for errors
};

// From the properties device, ordinal and deviceAskedBy. Throws Napi::Error with COSFACE_OPTION_RANGE.
device_request read_device_request(const Napi::Object& call);

// Opens the GPU; null: the CPU is to be used. Throws Napi::Error with COSFACE_DEVICE_UNAVAILABLE and the reason where a
// GPU is asked for in vain. Reads the environment.
const cosface_cuda_library* find_device(Napi::Env env, const device_request& request);

// (call) -> whether it would run on a GPU, for calls without data; throws as find_device does.
Napi::Value uses_cuda(const Napi::CallbackInfo& info);
// offerCudaLibrary(file).
Napi::Value take_cuda_library(const Napi::CallbackInfo& info);

}  // namespace cosface
