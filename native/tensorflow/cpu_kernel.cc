#include "tensorflow/cpu_kernel.h"

#include <vector>

#include "tensorflow/op_failure.h"

namespace cosface::tensorflow {
namespace {

void run(const cosface_margin_softmax_problem& problem, const cosface_margin_softmax_options& options,
         cosface_margin_softmax_results* results) {
  cosface_error error{};
  if (cosface_margin_softmax(&problem, &options, results, &error) != COSFACE_OK) fail(error);
}

}  // namespace

void cpu_kernel::run_forward(op_call& call) {
  op_outputs outputs = call.allocate_forward();
  run(call.problem(), call.options(), &outputs.results);
  if (outputs.reduced_loss != nullptr) *outputs.reduced_loss = static_cast<float>(outputs.results.reduced_loss);
}

void cpu_kernel::run_gradient(op_call& call) {
  cosface_margin_softmax_problem problem = call.problem();
  cosface_margin_softmax_options options = call.options();
  problem.loss_gradient = call.read_loss_gradient();
  std::vector<float> shares;
  if (options.reduction != COSFACE_REDUCTION_NONE) {
    shares = share_loss_gradient(*problem.loss_gradient, call, problem.labels, problem.sample_weights);
    problem.loss_gradient = shares.data();
    options.reduction = COSFACE_REDUCTION_NONE;
  }
  op_outputs outputs = call.allocate_gradients();
  run(problem, options, &outputs.results);
}

}  // namespace cosface::tensorflow
