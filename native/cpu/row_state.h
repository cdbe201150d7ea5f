// What pass 1, finish and pass 2 know of one sample.
#pragma once

#include <cstdint>

namespace cosface {

struct row_state {
  int64_t sample;          // its index in the batch
  double inverse_norm;     // 1 / |x|, 0 for a zero row
  double target_cosine;    // in double: the loss of a confident row hangs on it
  double target_logit;     // base 2, margin and scale applied, without the shift
  double target_slope;     // d margined cosine / d cosine
  double weight;           // of this sample's loss
  double weighted_loss;    // 0 where ignored
  double upstream;         // dL / d(unweighted loss of this sample)
  double negative_factor;  // upstream s (1 - p_y) / S: what a negative's exponential is worth
  double target_factor;    // -upstream s (1 - p_y) slope: what x^ and w^_y get of each other
  float target_seen;       // the fp32 logit of the target, for the prediction; -inf where ignored
  int32_t label;           // a position among the classes that take part; no_class where ignored
  bool ignored;
};

}  // namespace cosface
