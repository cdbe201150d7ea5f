#include "addon/margin_softmax_run.h"

#include <cstdio>

#include "addon/js_error.h"

namespace cosface {
namespace {

void print_plan(const cosface_cuda_library& library, const margin_softmax_call& call, bool gradients) {
  char text[1024];
  const cosface_margin_softmax_options options = cuda_options(call);
  if (library.describe_plan(call.device.ordinal, &call.problem, &options, gradients, text, sizeof text, nullptr) ==
      COSFACE_OK)
    std::fprintf(stderr, "cosface plan: %s\n", text);
}

}  // namespace

cosface_margin_softmax_options cuda_options(const margin_softmax_call& call) {
  cosface_margin_softmax_options options = call.options;
  if (call.workspace_is_default) options.workspace_bytes = 0;
  return options;
}

margin_softmax_run::margin_softmax_run(Napi::Env env, const margin_softmax_call& call, bool gradients) {
  cosface_error error{};
  if (cosface_margin_softmax_make_plan(&call.problem, &call.options, gradients, &plan_, &error) != COSFACE_OK)
    throw js_error(env, error);
  // Naming an instruction set is asking for the processor.
  const bool may_use_cuda = call.device.kind == device_kind::cuda || call.options.isa == COSFACE_ISA_AUTO;
  if (may_use_cuda) cuda_ = find_device(env, call.device);
  if (cuda_ != nullptr && plan_.print) print_plan(*cuda_, call, gradients);
}

cosface_status margin_softmax_run::run(margin_softmax_call& call, cosface_error& error) const {
  if (cuda_ != nullptr) {
    const cosface_margin_softmax_options options = cuda_options(call);
    const cosface_cuda_call cuda_call{.problem = &call.problem,
                                      .options = &options,
                                      .subset = nullptr,
                                      .results = &call.results,
                                      .workspace = nullptr,
                                      .workspace_bytes = 0};
    const cosface_status status = cuda_->margin_softmax(call.device.ordinal, &cuda_call, &error);
    const bool may_go_on = status == COSFACE_ERROR_DEVICE_UNAVAILABLE || status == COSFACE_ERROR_OUT_OF_MEMORY ||
                           status == COSFACE_ERROR_UNSUPPORTED;
    if (call.device.kind == device_kind::cuda || !may_go_on) return status;
    error = {};
  }
  return cosface_margin_softmax_run(&call.problem, &call.options, &plan_, &call.results, &error);
}

}  // namespace cosface
