// What a kernel makes of the scores of the other classes. Everything is in base 2: z = A v with A = s log2(e).
#pragma once

#include <cstdint>

namespace cosface {

enum class negative_curve {
  line,         // V = v
  hard_line,    // above the threshold (1 + t) v + t: MV-Softmax
  hard_square,  // above the threshold v (t + v): CurricularFace
  circle,       // [v + m]+ (v - m)
  power         // 2 ((v + 1) / 2)^exponent - 1
};

struct negative_rule {
  negative_curve curve;
  bool binary;             // softplus and sigmoid in place of the exponential
  float scale;             // A
  float filter;            // A times the inter-class filter: a score above it does not count; infinity: off
  float t;                 // of hard negatives
  float exponent;          // of the power
  bool exact;              // false: the slope of a curve is that of the detached gradient
  const float* bias;       // [classes] of this strip, added to the scores; null: none
  const float* threshold;  // [NR] A M(cos_iy): above it a negative is hard
  const float* margin;     // [NR] the circle's m
};

// Column sums of a strip.
struct strip_sums {
  float* parts;    // [NR] of what a negative is in the loss: 2^(z + shift), or log2(1 + 2^(z + shift)) in binary form
  float* weights;  // [NR] of the sigmoids, in binary form
};

}  // namespace cosface
