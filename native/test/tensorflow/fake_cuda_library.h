// A CUDA library whose device memory the host must not follow, and which computes as the CPU does: a shared library
// that the op opens as it opens the true one. It keeps what it is asked, and fails on demand.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "cosface/cuda.h"
#include "tensorflow/fake_tensorflow.h"
#include "tensorflow/hidden_memory.h"

namespace cosface::test {

struct fake_cuda {
  hidden_memory memory{size_t{64} << 20};
  int32_t ordinal = 3;  // of the device that holds the memory
  int64_t workspace_bytes = 1000;
  int32_t score = 1;

  std::string failing;  // the function that fails
  cosface_status failure = COSFACE_ERROR_DEVICE_FAILED;

  std::vector<std::string> events;      // functions in the order of their calls
  std::vector<std::string> complaints;  // what the caller did wrong
  cosface_margin_softmax_problem problem{};
  cosface_margin_softmax_options options{};
};

// What the library acts on from now on.
COSFACE_EXPORT void use_fake_cuda(fake_cuda* cuda);
// For COSFACE_CUDA_LIBRARY.
COSFACE_EXPORT std::string fake_cuda_library_path();

}  // namespace cosface::test
