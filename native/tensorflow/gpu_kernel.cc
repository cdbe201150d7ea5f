#include "tensorflow/gpu_kernel.h"

#include <atomic>
#include <cstdint>
#include <optional>
#include <vector>

#include "addon/cuda_library.h"
#include "tensorflow/op_failure.h"

namespace cosface::tensorflow {
namespace {

constexpr int64_t workspace_alignment = 256;

std::atomic<const cosface_cuda_library*> chosen_library{nullptr};

void* align(void* address) {
  const auto number = reinterpret_cast<uintptr_t>(address);
  return reinterpret_cast<void*>((number + workspace_alignment - 1) / workspace_alignment * workspace_alignment);
}

// The library on the device whose memory a call has.
class gpu {
 public:
  explicit gpu(const cosface_margin_softmax_problem& problem) {
    // Without classes or features the library refuses the shape, on any device.
    if (problem.weights == nullptr) return;
    require([&](cosface_error* error) { return library_.device_of(problem.weights, &ordinal_, error); });
  }

  // Both wait for what TensorFlow has queued, and are done on return.
  template <typename T>
  std::vector<T> read(const T* from, int64_t count) const {
    std::vector<T> values(static_cast<size_t>(count));
    const int64_t bytes = count * static_cast<int64_t>(sizeof(T));
    if (bytes > 0) {
      require(
          [&](cosface_error* error) { return library_.copy_from_device(ordinal_, values.data(), from, bytes, error); });
    }
    return values;
  }

  void write(float* to, const float* from, int64_t count) const {
    const int64_t bytes = count * static_cast<int64_t>(sizeof(float));
    if (bytes == 0) return;
    require([&](cosface_error* error) { return library_.copy_to_device(ordinal_, to, from, bytes, error); });
  }

  void run(const op_call& call, const cosface_margin_softmax_problem& problem,
           const cosface_margin_softmax_options& options, cosface_margin_softmax_results* results) const {
    int64_t bytes = 0;
    require([&](cosface_error* error) {
      const int gradients = results->d_weights != nullptr;
      return library_.needed_workspace(ordinal_, &problem, &options, gradients, &bytes, error);
    });
    // TensorFlow promises 64 bytes of alignment.
    std::optional<scoped_tensor> workspace;
    if (bytes > 0) workspace = call.allocate_temporary(bytes + workspace_alignment);
    cosface_cuda_call device_call{};
    device_call.problem = &problem;
    device_call.options = &options;
    device_call.results = results;
    device_call.workspace = workspace ? align(workspace->data<void>()) : nullptr;
    device_call.workspace_bytes = bytes;
    require([&](cosface_error* error) {
      return library_.margin_softmax_on_device(ordinal_, &device_call, nullptr, error);
    });
  }

 private:
  template <typename Call>
  static void require(Call call) {
    cosface_error error{};
    if (call(&error) != COSFACE_OK) fail(error);
  }

  const cosface_cuda_library& library_ = *chosen_library.load();
  int32_t ordinal_ = 0;
};

// The budget of the options' defaults is meant for a processor's caches; 0 is the library's own choice.
cosface_margin_softmax_options device_options(const op_call& call) {
  cosface_margin_softmax_options options = call.options();
  options.workspace_bytes = 0;
  return options;
}

}  // namespace

void gpu_kernel::run_forward(op_call& call) {
  op_outputs outputs = call.allocate_forward();
  const gpu gpu(call.problem());
  gpu.run(call, call.problem(), device_options(call), &outputs.results);
  if (outputs.reduced_loss == nullptr) return;
  const auto loss = static_cast<float>(outputs.results.reduced_loss);
  gpu.write(outputs.reduced_loss, &loss, 1);
}

void gpu_kernel::run_gradient(op_call& call) {
  cosface_margin_softmax_problem problem = call.problem();
  cosface_margin_softmax_options options = device_options(call);
  problem.loss_gradient = call.read_loss_gradient();
  op_outputs outputs = call.allocate_gradients();
  const gpu gpu(problem);
  std::optional<scoped_tensor> device_shares;
  if (options.reduction != COSFACE_REDUCTION_NONE) {
    // Rare: the TensorFlow.js kernel takes the gradient of a reduced loss along in the forward call, and scales it.
    const std::vector<float> loss_gradient = gpu.read(problem.loss_gradient, 1);
    const std::vector<int32_t> labels = gpu.read(problem.labels, problem.batch);
    const std::vector<float> weights = gpu.read(problem.sample_weights, problem.sample_weights ? problem.batch : 0);
    const std::vector<float> shares =
        share_loss_gradient(loss_gradient[0], call, labels.data(), problem.sample_weights ? weights.data() : nullptr);
    device_shares = call.allocate_temporary(problem.batch * static_cast<int64_t>(sizeof(float)));
    gpu.write(device_shares->data<float>(), shares.data(), problem.batch);
    problem.loss_gradient = device_shares->data<float>();
    options.reduction = COSFACE_REDUCTION_NONE;
  }
  gpu.run(call, problem, options, &outputs.results);
}

bool gpu_kernel::find_device(std::string* reason) {
  const cosface_cuda_library* library = use_cuda_device(0, true, reason);
  if (library != nullptr) chosen_library.store(library);
  return library != nullptr;
}

}  // namespace cosface::tensorflow
