#include "tensorflow/fake_cuda_library.h"

#include <dlfcn.h>

#include <cstring>
#include <type_traits>

namespace cosface::test {
namespace {

fake_cuda* cuda = nullptr;

void require(bool condition, const char* complaint) {
  if (!condition) cuda->complaints.push_back(complaint);
}

cosface_status enter(const std::string& function, int32_t ordinal, cosface_error* error) {
  cuda->events.push_back(function);
  require(ordinal == cuda->ordinal, "a call is for another device than the memory's");
  if (function != cuda->failing) return COSFACE_OK;
  *error = {cuda->failure, "device", -1, "failed for the test"};
  return cuda->failure;
}

int32_t score(int32_t, cosface_error* error) {
  if (cuda->score <= 0) *error = {COSFACE_ERROR_DEVICE_UNAVAILABLE, "device", -1, "no device for the test."};
  return cuda->score;
}

cosface_status device_of(const void* pointer, int32_t* ordinal, cosface_error* error) {
  *ordinal = cuda->ordinal;
  require(cuda->memory.holds(pointer), "device_of is asked for memory of no device");
  return enter("device_of", cuda->ordinal, error);
}

cosface_status needed_workspace(int32_t ordinal, const cosface_margin_softmax_problem*,
                                const cosface_margin_softmax_options* options, int32_t, int64_t* bytes,
                                cosface_error* error) {
  require(options->workspace_bytes == 0, "the workspace has the budget of a processor");
  *bytes = cuda->workspace_bytes;
  return enter("needed_workspace", ordinal, error);
}

// To the address that can be read.
template <typename T>
void show(T*& pointer) {
  require(pointer == nullptr || cuda->memory.holds(pointer), "an array is not in the device's memory");
  pointer = static_cast<T*>(cuda->memory.shown(pointer));
}

cosface_status run(const cosface_cuda_call& call, cosface_error* error) {
  cosface_margin_softmax_problem problem = *call.problem;
  cosface_margin_softmax_results results = *call.results;
  for (const float** array : {&problem.embeddings, &problem.weights, &problem.sample_weights, &problem.sample_m1,
                              &problem.sample_m2, &problem.sample_m3, &problem.loss_gradient}) {
    show(*array);
  }
  for (float** array : {&results.loss, &results.target_cosine, &results.d_embeddings, &results.d_weights}) {
    show(*array);
  }
  show(problem.labels);
  show(results.prediction);
  // With the budget that the op's kernel for the CPU has: the order of sums follows from it.
  cosface_margin_softmax_options options = *call.options, defaults{};
  cosface_margin_softmax_default_options(&defaults);
  options.workspace_bytes = defaults.workspace_bytes;
  const cosface_status status = cosface_margin_softmax(&problem, &options, &results, error);
  call.results->reduced_loss = results.reduced_loss;
  return status;
}

cosface_status margin_softmax_on_device(int32_t ordinal, const cosface_cuda_call* call, void* stream,
                                        cosface_error* error) {
  cuda->problem = *call->problem;
  cuda->options = *call->options;
  require(stream == nullptr, "a stream is named that nobody knows");
  require(call->subset == nullptr, "a subset is named");
  require(call->workspace_bytes >= cuda->workspace_bytes, "the workspace is too small");
  require(reinterpret_cast<uintptr_t>(call->workspace) % 256 == 0, "the workspace is not aligned");
  void* workspace = cuda->memory.shown(call->workspace);
  require(workspace != nullptr, "the workspace is not in the device's memory");
  const cosface_status status = enter("margin_softmax_on_device", ordinal, error);
  if (status != COSFACE_OK) return status;
  std::memset(workspace, 0x5a, static_cast<size_t>(call->workspace_bytes));
  return run(*call, error);
}

cosface_status copy_to_device(int32_t ordinal, void* to, const void* from, int64_t bytes, cosface_error* error) {
  const cosface_status status = enter("copy_to_device", ordinal, error);
  if (status == COSFACE_OK) std::memcpy(cuda->memory.shown(to), from, static_cast<size_t>(bytes));
  return status;
}

cosface_status copy_from_device(int32_t ordinal, void* to, const void* from, int64_t bytes, cosface_error* error) {
  const cosface_status status = enter("copy_from_device", ordinal, error);
  if (status == COSFACE_OK) std::memcpy(to, cuda->memory.shown(from), static_cast<size_t>(bytes));
  return status;
}

}  // namespace

void use_fake_cuda(fake_cuda* next) { cuda = next; }

std::string fake_cuda_library_path() {
  Dl_info module;
  return dladdr(reinterpret_cast<const void*>(&use_fake_cuda), &module) != 0 ? module.dli_fname : "";
}

}  // namespace cosface::test

extern "C" COSFACE_EXPORT const cosface_cuda_library* cosface_cuda_library_v1() {
  using namespace cosface::test;
  static const cosface_cuda_library table = [] {
    cosface_cuda_library library{};
    library.abi_version = COSFACE_CUDA_ABI_VERSION;
    library.margin_softmax_abi_version = COSFACE_ABI_VERSION;
    library.score = score;
    library.device_of = device_of;
    library.needed_workspace = needed_workspace;
    library.margin_softmax_on_device = margin_softmax_on_device;
    library.copy_to_device = copy_to_device;
    library.copy_from_device = copy_from_device;
    library.release = [] {};
    return library;
  }();
  return &table;
}
