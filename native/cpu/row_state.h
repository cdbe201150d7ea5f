// What pass 1, finish and pass 2 know of one sample.
#pragma once

#include <cstdint>

#include "reference/target_formula.h"

namespace cosface {

struct row_state {
  int64_t sample;        // its index in the batch
  double inverse_norm;   // 1 / |x|, 0 for a zero row
  double length;         // |x| where it takes part in the logits, else 1
  double target_cosine;  // in double: the loss of a confident row hangs on it
  double target_logit;   // base 2, margin, scale and bias applied, without the shift
  double target_slope;   // M' = d margined cosine / d cosine
  double target_along;   // M - cos M': the part of the target's logit that follows the rows' lengths
  margins target_by;     // dM by each margin
  double own_length;     // |w_y| where it takes part, else 1
  double threshold;      // M: negatives with a larger cosine are hard
  double m3;             // the margin in force
  double weight;         // of this sample's loss
  double loss;           // before its weight; 0 where ignored
  double weighted_loss;
  double upstream;         // dL / d(unweighted loss of this sample)
  double negative_factor;  // upstream s (1 - p_y) / S: what a negative's exponential is worth
  double target_factor;    // -upstream s (1 - p_y) M': what x and w_y get of each other
  double along_factor;     // the same with M - cos M': what each gets of itself, where its length takes part
  double even_factor;      // label smoothing: what every class gets, -upstream s smoothing / C
  double d_target;         // dL / d target logit, over s
  double d_bias;           // of the binary form
  float target_seen;       // the fp32 logit of the target, for the prediction; -inf where ignored
  int32_t label;           // a position among the classes that take part; no_class where ignored
  int32_t own;             // the row of w that is nearest among those of the label
  bool ignored;
};

}  // namespace cosface
