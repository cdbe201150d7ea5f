// What the instructions of a whole warp compute.
#pragma once

#include <cstdint>

namespace cosface::cuda::emulator {

inline constexpr int warp_lanes = 32;
inline constexpr int most_input_bytes = 40, most_output_bytes = 16;

// What one lane brings and takes.
struct lane_exchange {
  alignas(16) unsigned char in[most_input_bytes];
  alignas(16) unsigned char out[most_output_bytes];
  int argument;
};

using warp_exchange = lane_exchange* const (&)[warp_lanes];

// d += a b: a [16, 16], b [16, 8], products exact, each sum in the order of k, added to d at the end. The hardware's
// order and its rounding within a sum are not documented: tests must not count on them.
void multiply_matrices(warp_exchange lanes, float (*value_of)(uint16_t));
void move_matrices(warp_exchange lanes, bool transposed);

}  // namespace cosface::cuda::emulator
