// What the COSFACE_* variables say about a call. Read before it runs: JavaScript may change them while it does.
#pragma once

#include "cosface/margin_softmax.h"

namespace cosface {

struct call_environment {
  cosface_isa isa;  // never AUTO
  int32_t threads;  // at least 1
  int32_t print;    // 1: COSFACE_DEBUG=plan
};

// `isa` AUTO and `threads` 0 leave the choice to the environment, else to the machine. Fills *error where the ISA is
// not there or a variable is not understood.
cosface_status read_environment(cosface_isa isa, int32_t threads, call_environment& environment, cosface_error* error);

}  // namespace cosface
