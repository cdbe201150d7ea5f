// The ops on a CUDA device of tfjs-node-gpu: the CUDA library on TensorFlow's own device memory.
//
// Memory      Inputs and outputs are read and written where they lie. Only `doubles` is in host memory (TensorFlow.js
//             makes int32 tensors there, so it is no copy). int32 labels and predictions are in device memory as those
//             of TensorFlow's own losses are: it copies labels that TensorFlow.js made, 4 N bytes.
// Workspace   From TensorFlow's pool, by TF_AllocateTemp: TensorFlow takes all of the GPU's memory at start but 0.5 to
//             1.8 GB (MinSystemMemory in core/common_runtime/gpu/gpu_device.cc), so cuMemAlloc beside it would fail.
// Device      That of the weights' pointer. TensorFlow's GPU 0 need not be the driver's: TensorFlow leaves out GPUs
//             that it finds too weak. Both use the primary context, so the pointers are valid in either's hands.
// Order       TensorFlow queues kernels on a stream that no caller of its C API can have: TF_GetStream in c/kernels.cc
//             answers FAILED_PRECONDITION for every device that is not a pluggable one, and a CUDA device is not. Its
//             streams do not wait for the default stream either. So the library waits, after all memory has been
//             allocated, for everything that was queued in the context (cuCtxSynchronize): the inputs are written then,
//             and nothing reads any more the freed buffers that the pool gave out again. It works on a stream of its
//             own and the op returns when that is done; what TensorFlow queues afterwards comes afterwards.
// Cost        The queue runs empty twice a call: the host cannot prepare TensorFlow's next ops while the loss runs, nor
//             this one's launches while the backbone runs. That is the latency of some launches and two waits, tens of
//             microseconds, beside milliseconds of work; not measured, for want of a GPU. Other threads' work in the
//             same context is waited for too. Right results do not depend on any of it.
// Errors      A GPU without kernels in the library, or an absent driver, is found before registration; TensorFlow then
//             runs the ops on the CPU and copies the tensors there and back.
#pragma once

#include <string>

#include "tensorflow/op_call.h"

namespace cosface::tensorflow {

struct gpu_kernel {
  static constexpr char device[] = "GPU";
  // They throw failure.
  static void run_forward(op_call& call);
  static void run_gradient(op_call& call);

  // Whether the CUDA library can be used from now on, and on the driver's first GPU; if not, why. Opens both.
  static bool find_device(std::string* reason);
};

}  // namespace cosface::tensorflow
