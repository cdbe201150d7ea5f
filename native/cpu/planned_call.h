// What cosface_margin_softmax and the resident head share: a plan, and its run.
#pragma once

#include "cosface/margin_softmax.h"
#include "cpu/row_optimizer.h"

namespace cosface {

enum class call_aim {
  loss,
  gradients,
  updates  // the gradient of each class goes to an optimiser and is not stored
};

// Everything before data and memory: shape, options, environment, plan.
cosface_status plan_call(const cosface_margin_softmax_problem& problem, const cosface_margin_softmax_options& options,
                         call_aim aim, cosface_margin_softmax_plan& plan, cosface_error* error);

// `optimizer` for updates, else null.
cosface_status run_call(const cosface_margin_softmax_problem& problem, const cosface_margin_softmax_options& options,
                        const cosface_margin_softmax_plan& plan, const row_optimizer* optimizer,
                        cosface_margin_softmax_results& results, cosface_error* error);

}  // namespace cosface
