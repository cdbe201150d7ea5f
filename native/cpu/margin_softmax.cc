// The C ABI: check, plan, run.
#include "cosface/margin_softmax.h"

#include <cstdio>

#include "cpu/check.h"
#include "cpu/environment.h"
#include "cpu/isa.h"
#include "cpu/job.h"
#include "cpu/workspace.h"

namespace cosface {
namespace {

call_shape shape_of(const cosface_margin_softmax_problem& p, const cosface_margin_softmax_options& o, bool gradients) {
  return {p.batch, p.classes, p.dim, gradients, gradients && o.gradient_tolerance > 0, o.precision};
}

// Everything before data and memory: shape, options, environment, plan.
cosface_status make_plan(const cosface_margin_softmax_problem& p, const cosface_margin_softmax_options& o,
                         bool gradients, cosface_margin_softmax_plan& plan, cosface_error* error) {
  if (auto status = check_shape(p, error)) return status;
  if (auto status = check_options(o, error)) return status;
  if (auto status = check_classes(p, o, error)) return status;
  call_environment environment{};
  if (auto status = read_environment(o.isa, o.threads, environment, error)) return status;
  plan = choose_plan(shape_of(p, o, gradients), o, *kernels_for(environment.isa, nullptr), environment.threads);
  plan.print = environment.print;
  return COSFACE_OK;
}

}  // namespace
}  // namespace cosface

extern "C" {

void cosface_margin_softmax_default_options(cosface_margin_softmax_options* options) {
  *options = {.scale = 64,
              .m1 = 1,
              .m2 = 0,
              .m3 = 0.35,
              .ignore_label = -1,
              .reduction = COSFACE_REDUCTION_MEAN,
              .gradient = COSFACE_GRADIENT_EXACT,
              .isa = COSFACE_ISA_AUTO,
              .precision = COSFACE_PRECISION_FP32,
              .gradient_tolerance = 0,
              .threads = 0,
              .workspace_bytes = 64 << 20,
              .fallback = COSFACE_FALLBACK_CONTINUOUS,
              .annealing = 0,
              .normalize_embeddings = 1,
              .normalize_weights = 1,
              .label_smoothing = 0,
              .interclass_filter = 2,
              .negatives = COSFACE_NEGATIVES_PLAIN,
              .negatives_t = 0,
              .sub_centers = 1,
              .curve = COSFACE_CURVE_COSINE,
              .curve_exponent = 1,
              .form = COSFACE_FORM_SOFTMAX,
              .positive_weight = 1,
              .negative_weight = 1,
              .negative_margin = 0,
              .bias_sign = 1};
}

cosface_status cosface_margin_softmax_make_plan(const cosface_margin_softmax_problem* problem,
                                                const cosface_margin_softmax_options* options, int gradients,
                                                cosface_margin_softmax_plan* plan, cosface_error* error) {
  return cosface::make_plan(*problem, *options, gradients != 0, *plan, error);
}

void cosface_margin_softmax_describe_plan(const cosface_margin_softmax_problem* problem,
                                          const cosface_margin_softmax_options* options, int gradients,
                                          const cosface_margin_softmax_plan* plan, char* text, int64_t size) {
  const cosface::call_shape shape = cosface::shape_of(*problem, *options, gradients != 0);
  std::snprintf(text, static_cast<size_t>(size), "%s",
                cosface::describe_plan(shape, *plan, options->workspace_bytes).c_str());
}

cosface_status cosface_margin_softmax_run(const cosface_margin_softmax_problem* problem,
                                          const cosface_margin_softmax_options* options,
                                          const cosface_margin_softmax_plan* plan,
                                          cosface_margin_softmax_results* results, cosface_error* error) {
  const cosface::call_shape shape = cosface::shape_of(*problem, *options, results->d_weights != nullptr);
  const bool planned = plan->isa != COSFACE_ISA_AUTO;
  const cosface::cpu_kernels* kernels = planned ? cosface::kernels_for(plan->isa, nullptr) : nullptr;
  if (kernels == nullptr || cosface::lay_out(shape, *plan, *kernels).bytes != plan->workspace_bytes)
    return cosface::fill_error(
        error, COSFACE_ERROR_OPTION, "plan", -1,
        "plan is not for this call, expected what cosface_margin_softmax_make_plan gives for the "
        "same dimensions, options and gradients.");
  if (auto status = cosface::check_buffers(*problem, *options, *results, error)) return status;
  if (auto status = cosface::check_fused(*problem, *options, *results, error)) return status;
  if (plan->print)
    std::fprintf(stderr, "cosface plan: %s\n", cosface::describe_plan(shape, *plan, options->workspace_bytes).c_str());
  const cosface::workspace memory(static_cast<size_t>(plan->workspace_bytes));
  if (memory.data() == nullptr)
    return cosface::fill_error(
        error, COSFACE_ERROR_OUT_OF_MEMORY, "workspaceBytes", -1,
        "%lld bytes of workspace could not be allocated. Lower workspaceBytes or the batch size.",
        static_cast<long long>(plan->workspace_bytes));
  return cosface::job(*problem, *options, shape, *plan, *kernels, memory.data(), *results).run(error);
}

cosface_status cosface_margin_softmax(const cosface_margin_softmax_problem* problem,
                                      const cosface_margin_softmax_options* options,
                                      cosface_margin_softmax_results* results, cosface_error* error) {
  cosface_margin_softmax_plan plan;
  const bool gradients = results->d_weights != nullptr;
  if (auto status = cosface::make_plan(*problem, *options, gradients, plan, error)) return status;
  return cosface_margin_softmax_run(problem, options, &plan, results, error);
}

}  // extern "C"
