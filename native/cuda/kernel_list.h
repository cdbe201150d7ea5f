// Every kernel there is: X(name, params struct). The device code has it as `extern "C" __global__ void
// cosface_NAME(PARAMS)`. device.h makes the enum of it, and the loader and the emulated driver find kernels by it.
#pragma once

#include "cuda/params.h"

#define COSFACE_CUDA_KERNELS(X) X(sgd_update, sgd_update_params)
