// Finds and opens cosface_cuda.node, the CUDA part, which may be missing. No Node-API: the TensorFlow op uses it too.
#pragma once

#include <string>

#include "cosface/cuda.h"

namespace cosface {

// A file to take where none lies beside this one: that of the npm package.
void offer_cuda_library(const std::string& file);

// The library that COSFACE_CUDA_LIBRARY names, else the one beside this file, else the one offered. Null with the
// reason where it is missing or of another ABI version. What was found is kept, a failure too, for each value of that
// variable. Reads the environment: call it on the thread that JavaScript runs on, or while that thread waits.
const cosface_cuda_library* open_cuda_library(std::string* reason);

// The same where this GPU can be used; opens it. An answer is kept until release_cuda_devices(), unless it is no and
// `ask_again`. The reason ends with a full stop.
const cosface_cuda_library* use_cuda_device(int32_t ordinal, bool ask_again, std::string* reason);

// Gives back what the CUDA library keeps between calls, if it was ever opened.
void release_cuda_devices();

}  // namespace cosface
