// A call object from JavaScript, read into the C ABI's structs. Checks what only this side can see:
// the kind of each argument, its length, and whether its memory may be used. Ranges are the C ABI's.
#pragma once

#include <napi.h>

#include "addon/device_request.h"
#include "cosface/cuda.h"
#include "cosface/margin_softmax.h"

namespace cosface {

struct margin_softmax_call {
  cosface_margin_softmax_problem problem{};
  cosface_margin_softmax_options options{};
  cosface_margin_softmax_results results{};
  device_request device;
  bool workspace_is_default = false;  // the default is another on a GPU
};

// Every pointer is into the caller's arrays: valid until JavaScript runs again. Throws Napi::Error
// with COSFACE_DTYPE, COSFACE_SHAPE, COSFACE_DETACHED, COSFACE_SHARED_BUFFER or COSFACE_OPTION_RANGE.
margin_softmax_call read_margin_softmax_call(const Napi::Value& call);

// The same for weights that stay where they are: the call has none, and `classes` and `dim` are theirs.
margin_softmax_call read_resident_call(const Napi::Value& call, int64_t classes, int64_t dim);

struct plan_request {
  cosface_margin_softmax_problem problem{};  // dimensions only
  cosface_margin_softmax_options options{};
  bool gradients = false;
  bool workspace_is_default = false;  // as in margin_softmax_call
};

plan_request read_plan_request(const Napi::Value& shape);

// What a measurement of the machine asks for.
struct rate_request {
  cosface_margin_softmax_options options{};  // isa, precision and threads only
  double seconds = 0;
  int64_t array_bytes = 0;
};

rate_request read_rate_request(const Napi::Value& request);

}  // namespace cosface
