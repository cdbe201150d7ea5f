// Which instruction sets this processor can run, and which table of kernels serves a call.
#pragma once

#include "cosface/margin_softmax.h"
#include "cpu/kernels/kernels.h"

namespace cosface {

// `requested` AUTO gives the best one, capped by COSFACE_ISA. Fills *error and returns null when the
// request cannot be met.
const cpu_kernels* kernels_for(cosface_isa requested, cosface_error* error);

}  // namespace cosface
