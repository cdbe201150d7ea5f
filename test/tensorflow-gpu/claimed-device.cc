// A CUDA library that says it has a device and does nothing else. With it the op is registered for a GPU that
// TensorFlow does not have, so that nothing may call the rest.
#include "cosface/cuda.h"

#include <cstdlib>

namespace {

int32_t score(int32_t, cosface_error*) { return 1; }

cosface_status describe_device(int32_t, cosface_cuda_device_info* info, cosface_error*) {
  *info = {};
  return COSFACE_OK;
}

cosface_status run(int32_t, const cosface_cuda_call*, void*, cosface_error*) { std::abort(); }

}  // namespace

extern "C" __attribute__((visibility("default"))) const cosface_cuda_library* cosface_cuda_library_v1(void) {
  static cosface_cuda_library library{};
  library.abi_version = COSFACE_CUDA_ABI_VERSION;
  library.margin_softmax_abi_version = COSFACE_ABI_VERSION;
  library.score = score;
  library.describe_device = describe_device;
  library.margin_softmax_on_device = run;
  library.release = [] {};
  return &library;
}
