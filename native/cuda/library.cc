// The C ABI of the CUDA library: cosface/cuda.h. Every exception ends here.
#include <cstdio>
#include <new>

#include "cosface/cuda.h"
#include "cpu/check.h"
#include "cuda/host_call.h"
#include "cuda/resident.h"
#include "cuda/step.h"

struct cosface_cuda_resident {
  cosface::cuda::resident_weights weights;
};

namespace cosface::cuda {
namespace {

template <typename Body>
cosface_status guarded(cosface_error* error, Body body) {
  try {
    body();
    return COSFACE_OK;
  } catch (const failure& reason) {
    return fill_error(error, reason.status(), reason.argument().c_str(), reason.index(), "%s", reason.what());
  } catch (const std::bad_alloc&) {
    return fill_error(error, COSFACE_ERROR_OUT_OF_MEMORY, "", -1, "the host has no memory left for the call.");
  } catch (const std::exception& other) {
    return fill_error(error, COSFACE_ERROR_DEVICE_FAILED, "device", -1, "the call failed: %s.", other.what());
  }
}

void require(const void* given, const char* argument) {
  if (given == nullptr) throw failure(COSFACE_ERROR_SHAPE, std::string(argument) + " is missing.", argument);
}

int32_t score(int32_t ordinal, cosface_error* error) {
  int32_t capability = 0;
  guarded(error, [&] { capability = use_device(ordinal)->gpu().properties().capability; });
  return capability;
}

template <size_t size>
void copy_text(char (&to)[size], const std::string& from) {
  std::snprintf(to, size, "%s", from.c_str());
}

cosface_status describe_device(int32_t ordinal, cosface_cuda_device_info* info, cosface_error* error) {
  return guarded(error, [&] {
    const auto device = use_device(ordinal);
    const device_turn turn(*device);
    const device_properties& properties = turn.gpu().properties();
    const device_image image = embedded_image();
    *info = {};
    info->ordinal = ordinal;
    info->device_count = count_devices(turn.gpu().api());
    copy_text(info->name, properties.name);
    info->capability = properties.capability;
    info->multiprocessors = properties.multiprocessors;
    info->memory_bytes = properties.memory_bytes;
    info->free_bytes = turn.gpu().free_bytes();
    info->driver_version = turn.gpu().api().version;
    copy_text(info->driver_file, turn.gpu().api().file);
    info->toolkit_version = image.toolkit;
    copy_text(info->architectures, image.architectures);
  });
}

cosface_status count(int32_t* count, cosface_error* error) {
  return guarded(error, [&] { *count = count_devices(open_driver()); });
}

step_plan plan_of(int32_t ordinal, const cosface_margin_softmax_problem& problem,
                  const cosface_margin_softmax_options& options, bool gradients) {
  cosface_error error{};
  if (check_shape(problem, &error) != COSFACE_OK || check_options(options, &error) != COSFACE_OK ||
      check_classes(problem, options, &error) != COSFACE_OK)
    throw failure(error.status, error.message, error.argument, error.index);
  return choose_step_plan(shape_of(problem, {}, gradients), options, use_device(ordinal)->gpu().properties());
}

cosface_status describe_plan(int32_t ordinal, const cosface_margin_softmax_problem* problem,
                             const cosface_margin_softmax_options* options, int32_t gradients, char* text, int64_t size,
                             cosface_error* error) {
  return guarded(error, [&] {
    const step_plan plan = plan_of(ordinal, *problem, *options, gradients != 0);
    const std::string words = describe_step_plan(plan, use_device(ordinal)->gpu().properties());
    std::snprintf(text, static_cast<size_t>(size), "%s", words.c_str());
  });
}

cosface_status needed_workspace(int32_t ordinal, const cosface_margin_softmax_problem* problem,
                                const cosface_margin_softmax_options* options, int32_t gradients, int64_t* bytes,
                                cosface_error* error) {
  return guarded(error, [&] { *bytes = plan_of(ordinal, *problem, *options, gradients != 0).workspace_bytes; });
}

cosface_status margin_softmax(int32_t ordinal, const cosface_cuda_call* call, cosface_error* error) {
  return guarded(error, [&] {
    check_call(*call->problem, *call->options, *call->results);
    if (call->subset != nullptr) {
      require(call->subset->ids, "classIds");
      check_subset(*call->subset, call->problem->classes);
    }
    const auto device = use_device(ordinal);
    const device_turn turn(*device);
    run_on_host_arrays(turn, *call, call->results->d_weights != nullptr, {});
  });
}

void run_in_place(const device_turn& turn, queue& queue, const cosface_cuda_call& call) {
  const bool gradients = call.results->d_weights != nullptr;
  const step_plan plan =
      choose_step_plan(shape_of(*call.problem, *call.results, gradients), *call.options, turn.gpu().properties());
  auto* workspace = static_cast<std::byte*>(call.workspace);
  if (workspace == nullptr)
    workspace = turn.scratch(plan.workspace_bytes);
  else if (call.workspace_bytes < plan.workspace_bytes)
    throw failure(COSFACE_ERROR_OPTION,
                  "the workspace has " + std::to_string(call.workspace_bytes) + " bytes, expected " +
                      std::to_string(plan.workspace_bytes) + ".",
                  "workspaceBytes");
  const device_problem problem{.problem = *call.problem,
                               .class_ids = call.subset == nullptr ? nullptr : call.subset->ids};
  run_step(queue, plan, problem, *call.options, *call.results, workspace);
}

// What other users of the primary context have queued on streams of theirs: TensorFlow's, whose stream is not to be
// had.
void wait_for_others(const device_turn& turn) {
  turn.gpu().check(turn.gpu().api().context_synchronize(), "waiting for the process's other work");
}

cosface_status margin_softmax_on_device(int32_t ordinal, const cosface_cuda_call* call, void* stream,
                                        cosface_error* error) {
  return guarded(error, [&] {
    check_call(*call->problem, *call->options, *call->results);
    const auto device = use_device(ordinal);
    const device_turn turn(*device);
    if (stream == nullptr) {
      wait_for_others(turn);
      run_in_place(turn, turn.work(), *call);
    } else {
      queue borrowed(turn.gpu(), static_cast<CUstream>(stream));
      run_in_place(turn, borrowed, *call);
    }
  });
}

cosface_status device_of(const void* pointer, int32_t* ordinal, cosface_error* error) {
  return guarded(error, [&] {
    const driver& driver = open_driver();
    int number = -1;
    const int result = driver.pointer_attribute(&number, pointer_device_ordinal, reinterpret_cast<uintptr_t>(pointer));
    if (result != result_ok)
      throw failure(COSFACE_ERROR_DEVICE_FAILED,
                    "the pointer is not to device memory: " + describe_result(driver, result) + ".");
    *ordinal = number;
  });
}

cosface_status copy_to_device(int32_t ordinal, void* to, const void* from, int64_t bytes, cosface_error* error) {
  return guarded(error, [&] {
    const auto device = use_device(ordinal);
    const device_turn turn(*device);
    wait_for_others(turn);
    turn.work().copy_to_device(to, from, bytes);
    turn.work().synchronize();
  });
}

cosface_status copy_from_device(int32_t ordinal, void* to, const void* from, int64_t bytes, cosface_error* error) {
  return guarded(error, [&] {
    const auto device = use_device(ordinal);
    const device_turn turn(*device);
    wait_for_others(turn);
    turn.work().copy_from_device(to, from, bytes);
    turn.work().synchronize();
  });
}

cosface_status create_resident(int32_t ordinal, int64_t classes, int64_t dim, const float* weights,
                               cosface_cuda_resident** resident, cosface_error* error) {
  return guarded(error, [&] { *resident = new cosface_cuda_resident{{use_device(ordinal), classes, dim, weights}}; });
}

cosface_status run_resident(cosface_cuda_resident* resident, const cosface_cuda_call* call, int32_t gradients,
                            cosface_error* error) {
  return guarded(error, [&] { resident->weights.run(*call, gradients != 0); });
}

cosface_status update_resident(cosface_cuda_resident* resident, const cosface_cuda_sgd* sgd, cosface_error* error) {
  return guarded(error, [&] { resident->weights.update(*sgd); });
}

cosface_status read_resident(cosface_cuda_resident* resident, cosface_cuda_part part, int64_t first, int64_t rows,
                             float* values, cosface_error* error) {
  return guarded(error, [&] { resident->weights.read(part, first, rows, values); });
}

cosface_status write_resident(cosface_cuda_resident* resident, cosface_cuda_part part, int64_t first, int64_t rows,
                              const float* values, cosface_error* error) {
  return guarded(error, [&] { resident->weights.write(part, first, rows, values); });
}

void free_resident(cosface_cuda_resident* resident) { delete resident; }

constexpr cosface_cuda_library library{
    .abi_version = COSFACE_CUDA_ABI_VERSION,
    .margin_softmax_abi_version = COSFACE_ABI_VERSION,
    .score = score,
    .describe_device = describe_device,
    .count_devices = count,
    .describe_plan = describe_plan,
    .margin_softmax = margin_softmax,
    .needed_workspace = needed_workspace,
    .margin_softmax_on_device = margin_softmax_on_device,
    .device_of = device_of,
    .copy_to_device = copy_to_device,
    .copy_from_device = copy_from_device,
    .create_resident = create_resident,
    .run_resident = run_resident,
    .update_resident = update_resident,
    .read_resident = read_resident,
    .write_resident = write_resident,
    .free_resident = free_resident,
    .release = release_devices,
};

}  // namespace
}  // namespace cosface::cuda

extern "C" const cosface_cuda_library* cosface_cuda_library_v1(void) { return &cosface::cuda::library; }
