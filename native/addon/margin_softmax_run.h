// Where a call runs, decided on the thread that JavaScript runs on; the call itself may then run on any.
#pragma once

#include <napi.h>

#include "addon/margin_softmax_call.h"

namespace cosface {

class margin_softmax_run {
 public:
  // Reads the environment and, unless the call is for the CPU, opens the GPU. Throws Napi::Error: what planning
  // refuses, or COSFACE_DEVICE_UNAVAILABLE where 'cuda' is asked for in vain.
  margin_softmax_run(Napi::Env env, const margin_softmax_call& call, bool gradients);

  // A call for 'auto' goes on with the CPU where the GPU has too little memory for it, does not take its shape, or is
  // not there any more.
  cosface_status run(margin_softmax_call& call, cosface_error& error) const;

 private:
  const cosface_cuda_library* cuda_ = nullptr;
  cosface_margin_softmax_plan plan_{};
};

// Options as the CUDA library takes them: a workspace budget that nobody chose is that library's to choose.
cosface_margin_softmax_options cuda_options(const margin_softmax_call& call);

}  // namespace cosface
