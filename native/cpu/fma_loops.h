// The loops behind cosface_fma_rate.
#pragma once

#include <cstdint>

#include "cosface/margin_softmax.h"

namespace cosface {

constexpr int fma_operands = 2 + 24;

// Runs `repeats` rounds and returns their flops. `operands` [fma_operands] are a factor and a summand that keep the
// sums finite, and where each sum begins; `sink` [16] gets a result, so that nothing is left out.
using fma_loop = int64_t (*)(int64_t repeats, const float* operands, float* sink);

// nullptr where this build has none.
fma_loop fma_loop_for(cosface_isa isa, cosface_precision precision);

}  // namespace cosface
