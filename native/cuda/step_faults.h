// What the device found wrong with the values it was given, in words.
#pragma once

#include "cuda/step.h"

namespace cosface::cuda {

// Throws failure for the first fault there is, in the order of native/cpu/check.cc and with its words; copies the
// arrays that it quotes from the device. Returns where there is none.
void throw_faults(queue& queue, const first_faults& faults, const device_problem& problem,
                  const cosface_margin_softmax_options& options);

}  // namespace cosface::cuda
