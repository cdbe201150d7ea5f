// The two ops as TensorFlow sees them.
//
//   CosfaceMarginSoftmaxV2                                CosfaceMarginSoftmaxGradV2
//   in   0 embeddings      float [N, D]                   0-8 the same
//        1 weights         float [C K, D]                 9 loss_gradient  float, [N] where reduction is
//        2 labels          int32 [N]                        none, one value where it is mean or sum
//        3 sample_weights  float [N], or [0]: all 1
//        4 sample_m1       float [N], or [0]: none
//        5 sample_m2       as sample_m1
//        6 sample_m3       as sample_m1
//        7 bias            float [C], one value where form is binary, or [0]: none
//        8 doubles         int32: the bytes of the doubles below
//   out  0 loss            float [], [N] where none       0 ... gradients
//        1 target_cosine   float [N]
//        2 prediction      int32 [N]
//        3 ... gradients, as many as num_gradients says: 0; 2, of inputs 0 and 1; or one more for each of 3 to 7 that
//        is
//          given, in this order
//
// doubles     scale, m1, m2, m3, gradient_tolerance, annealing, label_smoothing, interclass_filter, negatives_t,
//             curve_exponent, positive_weight, negative_weight, negative_margin.
// Attributes  Only what stays the same for a whole training: TensorFlow keeps one kernel object for each
//             distinct set of attributes, for ever. Scale, margins, lambda and t change as a training goes on, so
//             every number is an input.
// int32       for doubles, because TensorFlow.js has no double and 0.35 as a float is not 0.35: this way every
//             backend computes with the same numbers. In host memory on every device.
// Version     The name carries it: of two copies of the addon in a process the first one serves both. It counts
//             the signatures that were released.
#pragma once

#include "cosface/margin_softmax.h"
#include "tensorflow/tensorflow_api.h"

namespace cosface::tensorflow {

inline constexpr char forward_op[] = "CosfaceMarginSoftmaxV2";
inline constexpr char gradient_op[] = "CosfaceMarginSoftmaxGradV2";

namespace input {
enum index : int {
  embeddings,
  weights,
  labels,
  sample_weights,
  sample_m1,
  sample_m2,
  sample_m3,
  bias,
  doubles,
  loss_gradient
};
}  // namespace input

inline constexpr char doubles_input[] = "doubles";

// Where the gradients begin among the outputs.
constexpr int first_gradient(bool forward) { return forward ? 3 : 0; }

// To be registered or deleted by the caller.
TF_OpDefinitionBuilder* define_op(const tensorflow_api& api, bool forward);

// Refines what is certain and leaves the rest unknown: the loss's rank and the number of gradients depend on attributes
// that this API cannot read. Every refusal but a wrong rank is ignored, because some releases reject every index above
// 0 with OUT_OF_RANGE.
void infer_shapes(const tensorflow_api& api, bool forward, TF_ShapeInferenceContext* context, TF_Status* status);

// What the attributes say: the same for every call of a kernel object.
struct call_settings {
  cosface_margin_softmax_options options;
  int64_t gradients = 0;  // how many
};

// Throws failure.
call_settings read_settings(const tensorflow_api& api, TF_OpKernelConstruction* construction, bool forward);

}  // namespace cosface::tensorflow
