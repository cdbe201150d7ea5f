// The C ABI: check, plan, run.
#include "cosface/margin_softmax.h"

#include <cstdio>

#include "cpu/check.h"
#include "cpu/environment.h"
#include "cpu/isa.h"
#include "cpu/job.h"
#include "cpu/planned_call.h"
#include "cpu/workspace.h"
#include "reference/negative_logit.h"

namespace cosface {
namespace {

call_shape shape_of(const cosface_margin_softmax_problem& p, const cosface_margin_softmax_options& o, call_aim aim) {
  const bool sampled = p.class_ids != nullptr, gradients = aim != call_aim::loss;
  const bool binary = o.form == COSFACE_FORM_BINARY, bias = p.bias != nullptr && !binary;
  const int64_t classes = sampled ? p.class_count : p.classes;
  return {.batch = p.batch,
          .classes = classes * o.sub_centers,
          .dim = p.dim,
          .gradients = gradients,
          .filter = gradients && o.gradient_tolerance > 0,
          .precision = o.precision,
          .sampled = sampled,
          .updates = aim == call_aim::updates,
          .sub_centers = o.sub_centers,
          .ruled = binary || bias || filters_classes(o) || !has_plain_negatives(o),
          .binary = binary,
          .smoothed = o.label_smoothing > 0 && classes > 1,
          .unbounded = bias || !o.normalize_embeddings || !o.normalize_weights,
          .bias = bias};
}

call_aim aim_of(bool gradients) { return gradients ? call_aim::gradients : call_aim::loss; }

}  // namespace

cosface_status plan_call(const cosface_margin_softmax_problem& p, const cosface_margin_softmax_options& o, call_aim aim,
                         cosface_margin_softmax_plan& plan, cosface_error* error) {
  if (auto status = check_shape(p, error)) return status;
  if (auto status = check_options(o, error)) return status;
  if (auto status = check_classes(p, o, error)) return status;
  call_environment environment{};
  if (auto status = read_environment(o.isa, o.threads, environment, error)) return status;
  plan = choose_plan(shape_of(p, o, aim), o, *kernels_for(environment.isa, nullptr), environment.threads);
  plan.print = environment.print;
  return COSFACE_OK;
}

cosface_status run_call(const cosface_margin_softmax_problem& p, const cosface_margin_softmax_options& o,
                        const cosface_margin_softmax_plan& plan, const row_optimizer* optimizer,
                        cosface_margin_softmax_results& results, cosface_error* error) {
  const call_aim aim = optimizer != nullptr ? call_aim::updates : aim_of(results.d_weights != nullptr);
  const call_shape shape = shape_of(p, o, aim);
  const cpu_kernels* kernels = plan.isa != COSFACE_ISA_AUTO ? kernels_for(plan.isa, nullptr) : nullptr;
  if (kernels == nullptr || lay_out(shape, plan, *kernels).bytes != plan.workspace_bytes)
    return fill_error(error, COSFACE_ERROR_OPTION, "plan", -1,
                      "plan is not for this call, expected what cosface_margin_softmax_make_plan gives for the "
                      "same dimensions, options and gradients.");
  if (auto status = check_buffers(p, o, results, optimizer != nullptr, error)) return status;
#if !defined(__wasm__)  // where no environment asks for it
  if (plan.print) std::fprintf(stderr, "cosface plan: %s\n", describe_plan(shape, plan, o.workspace_bytes).c_str());
#endif
  const workspace memory(static_cast<size_t>(plan.workspace_bytes));
  if (memory.data() == nullptr)
    return fill_error(error, COSFACE_ERROR_OUT_OF_MEMORY, "workspaceBytes", -1,
                      "%lld bytes of workspace could not be allocated. Lower workspaceBytes or the batch size.",
                      static_cast<long long>(plan.workspace_bytes));
  return job(p, o, shape, plan, *kernels, memory.data(), results, optimizer).run(error);
}

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
  return cosface::plan_call(*problem, *options, cosface::aim_of(gradients != 0), *plan, error);
}

void cosface_margin_softmax_describe_plan(const cosface_margin_softmax_problem* problem,
                                          const cosface_margin_softmax_options* options, int gradients,
                                          const cosface_margin_softmax_plan* plan, char* text, int64_t size) {
  const cosface::call_shape shape = cosface::shape_of(*problem, *options, cosface::aim_of(gradients != 0));
  std::snprintf(text, static_cast<size_t>(size), "%s",
                cosface::describe_plan(shape, *plan, options->workspace_bytes).c_str());
}

cosface_status cosface_margin_softmax_run(const cosface_margin_softmax_problem* problem,
                                          const cosface_margin_softmax_options* options,
                                          const cosface_margin_softmax_plan* plan,
                                          cosface_margin_softmax_results* results, cosface_error* error) {
  return cosface::run_call(*problem, *options, *plan, nullptr, *results, error);
}

cosface_status cosface_margin_softmax(const cosface_margin_softmax_problem* problem,
                                      const cosface_margin_softmax_options* options,
                                      cosface_margin_softmax_results* results, cosface_error* error) {
  cosface_margin_softmax_plan plan;
  const bool gradients = results->d_weights != nullptr;
  if (auto status = cosface::plan_call(*problem, *options, cosface::aim_of(gradients), plan, error)) return status;
  return cosface_margin_softmax_run(problem, options, &plan, results, error);
}

}  // extern "C"
