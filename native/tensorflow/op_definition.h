// The two ops as TensorFlow sees them.
//
//   CosfaceMarginSoftmaxV1                                CosfaceMarginSoftmaxGradV1
//   in   0 embeddings      float [N, D]                   0-5 the same
//        1 weights         float [C, D]                   6 loss_gradient  float, [N] where reduction is
//        2 labels          int32 [N]                        none, one value where it is mean or sum
//        3 sample_weights  float [N], or [0]: all 1
//        4 sample_margins  float [N], or [0]: none
//        5 doubles         int32 [10]: the bytes of the doubles scale, m1, m2, m3, gradient_tolerance
//   out  0 loss            float [], [N] where none       0 d_embeddings   float [N, D]
//        1 target_cosine   float [N]                      1 d_weights      float [C, D]
//        2 prediction      int32 [N]
//        3 d_embeddings, 4 d_weights: present where the attribute num_gradients is 2
//
// Attributes  Only what stays the same for a whole training: TensorFlow keeps one kernel object for each
//             distinct set of attributes, for ever. Scale, margins and tolerance may be annealed, so they are
//             inputs.
// doubles     int32, because TensorFlow.js has no double and 0.35 as a float is not 0.35: this way every
//             backend computes with the same numbers. In host memory on every device.
// Version     The name carries it: of two copies of the addon in a process the first one serves both. It counts
//             the signatures that were released.
#pragma once

#include "cosface/margin_softmax.h"
#include "tensorflow/tensorflow_api.h"

namespace cosface::tensorflow {

inline constexpr char forward_op[] = "CosfaceMarginSoftmaxV1";
inline constexpr char gradient_op[] = "CosfaceMarginSoftmaxGradV1";

namespace input {
enum index : int {
  embeddings,
  weights,
  labels,
  sample_weights,
  sample_margins,
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
  cosface_margin_term sample_margin_term = COSFACE_MARGIN_M3;
  bool gradients = false;
};

// Throws failure.
call_settings read_settings(const tensorflow_api& api, TF_OpKernelConstruction* construction, bool forward);

}  // namespace cosface::tensorflow
