#include "cuda/host_call.h"

#include "cpu/carver.h"
#include "cpu/check.h"
#include "cuda/step.h"

namespace cosface::cuda {
namespace {

void throw_unless_ok(cosface_status status, const cosface_error& error) {
  if (status != COSFACE_OK) throw failure(status, error.message, error.argument, error.index);
}

// Arrays of one call in one piece of device memory: first the room, then the traffic.
class staging {
 public:
  // An offset; -1 for an array that is not there.
  int64_t take(const void* host, int64_t count, int64_t size) { return host == nullptr ? -1 : at_.take(count, size); }
  int64_t take(int64_t bytes) { return at_.take(bytes, 1); }
  int64_t bytes() const { return at_.offset; }

  void place(std::byte* base) { base_ = base; }

  template <typename T>
  T* device(int64_t offset) const {
    return offset < 0 ? nullptr : reinterpret_cast<T*>(base_ + offset);
  }
  template <typename T>
  const T* bring(queue& queue, int64_t offset, const T* host, int64_t count) const {
    if (offset >= 0) queue.copy_to_device(device<T>(offset), host, count * static_cast<int64_t>(sizeof(T)));
    return device<const T>(offset);
  }
  template <typename T>
  void fetch(queue& queue, int64_t offset, T* host, int64_t count) const {
    if (offset >= 0) queue.copy_from_device(host, device<T>(offset), count * static_cast<int64_t>(sizeof(T)));
  }

 private:
  carver at_;
  std::byte* base_ = nullptr;
};

class host_call {
 public:
  host_call(const device_turn& turn, const cosface_cuda_call& call, bool gradients, const weights_on_device& resident)
      : turn_(turn),
        queue_(turn.work()),
        p_(*call.problem),
        options_(*call.options),
        subset_(call.subset),
        r_(*call.results),
        plan_(choose_step_plan(shape_of(p_, *call.results, gradients), options_, turn.gpu().properties())),
        resident_(resident) {}

  void run() {
    take_room();
    const device_problem problem = bring_inputs();
    cosface_margin_softmax_results results = device_results();
    run_step(queue_, plan_, problem, options_, results, memory_.device<std::byte>(workspace_));
    fetch_outputs(results);
  }

 private:
  int64_t weight_rows() const { return (subset_ == nullptr ? p_.classes : subset_->total) * options_.sub_centers; }
  int64_t gradient_rows() const { return p_.classes * options_.sub_centers; }
  bool gradients() const { return plan_.shape.gradients; }

  void take_room() {
    const int64_t n = p_.batch, d = p_.dim;
    embeddings_ = memory_.take(p_.embeddings, n * d, 4);
    weights_ = resident_.weights == nullptr ? memory_.take(p_.weights, weight_rows() * d, 4) : -1;
    labels_ = memory_.take(p_.labels, n, 4);
    sample_weights_ = memory_.take(p_.sample_weights, n, 4);
    sample_m1_ = memory_.take(p_.sample_m1, n, 4);
    sample_m2_ = memory_.take(p_.sample_m2, n, 4);
    sample_m3_ = memory_.take(p_.sample_m3, n, 4);
    bias_ = memory_.take(p_.bias, bias_count(p_, options_), 4);
    loss_gradient_ = memory_.take(p_.loss_gradient, n, 4);
    ids_ = subset_ == nullptr ? -1 : memory_.take(subset_->ids, p_.classes, 4);
    loss_ = memory_.take(r_.loss, n, 4);
    target_cosine_ = memory_.take(r_.target_cosine, n, 4);
    prediction_ = memory_.take(r_.prediction, n, 4);
    d_sample_weights_ = memory_.take(r_.d_sample_weights, n, 4);
    d_sample_m1_ = memory_.take(r_.d_sample_m1, n, 4);
    d_sample_m2_ = memory_.take(r_.d_sample_m2, n, 4);
    d_sample_m3_ = memory_.take(r_.d_sample_m3, n, 4);
    d_bias_ = memory_.take(r_.d_bias, bias_count(p_, options_), 4);
    // Both gradients are made together, whichever is wanted.
    d_embeddings_ = gradients() ? memory_.take(n * d * 4) : -1;
    d_weights_ = gradients() && resident_.gradient == nullptr ? memory_.take(gradient_rows() * d * 4) : -1;
    workspace_ = memory_.take(plan_.workspace_bytes);
    memory_.place(turn_.scratch(memory_.bytes()));
  }

  device_problem bring_inputs() {
    const int64_t n = p_.batch, d = p_.dim;
    device_problem on_device{.problem = p_, .class_ids = nullptr};
    cosface_margin_softmax_problem& p = on_device.problem;
    p.embeddings = memory_.bring(queue_, embeddings_, p_.embeddings, n * d);
    p.weights = resident_.weights;
    if (p.weights == nullptr) p.weights = memory_.bring(queue_, weights_, p_.weights, weight_rows() * d);
    p.labels = memory_.bring(queue_, labels_, p_.labels, n);
    p.sample_weights = memory_.bring(queue_, sample_weights_, p_.sample_weights, n);
    p.sample_m1 = memory_.bring(queue_, sample_m1_, p_.sample_m1, n);
    p.sample_m2 = memory_.bring(queue_, sample_m2_, p_.sample_m2, n);
    p.sample_m3 = memory_.bring(queue_, sample_m3_, p_.sample_m3, n);
    p.bias = memory_.bring(queue_, bias_, p_.bias, bias_count(p_, options_));
    p.loss_gradient = memory_.bring(queue_, loss_gradient_, p_.loss_gradient, n);
    if (subset_ != nullptr) on_device.class_ids = memory_.bring(queue_, ids_, subset_->ids, p_.classes);
    return on_device;
  }

  cosface_margin_softmax_results device_results() const {
    cosface_margin_softmax_results results{};
    results.loss = memory_.device<float>(loss_);
    results.target_cosine = memory_.device<float>(target_cosine_);
    results.prediction = memory_.device<int32_t>(prediction_);
    results.d_sample_weights = memory_.device<float>(d_sample_weights_);
    results.d_sample_m1 = memory_.device<float>(d_sample_m1_);
    results.d_sample_m2 = memory_.device<float>(d_sample_m2_);
    results.d_sample_m3 = memory_.device<float>(d_sample_m3_);
    results.d_bias = memory_.device<float>(d_bias_);
    results.d_embeddings = memory_.device<float>(d_embeddings_);
    results.d_weights = d_weights_ < 0 ? resident_.gradient : memory_.device<float>(d_weights_);
    return results;
  }

  void fetch_outputs(const cosface_margin_softmax_results& results) {
    const int64_t n = p_.batch, d = p_.dim;
    memory_.fetch(queue_, loss_, r_.loss, n);
    memory_.fetch(queue_, target_cosine_, r_.target_cosine, n);
    memory_.fetch(queue_, prediction_, r_.prediction, n);
    memory_.fetch(queue_, d_sample_weights_, r_.d_sample_weights, n);
    memory_.fetch(queue_, d_sample_m1_, r_.d_sample_m1, n);
    memory_.fetch(queue_, d_sample_m2_, r_.d_sample_m2, n);
    memory_.fetch(queue_, d_sample_m3_, r_.d_sample_m3, n);
    memory_.fetch(queue_, d_bias_, r_.d_bias, bias_count(p_, options_));
    if (r_.d_embeddings != nullptr) memory_.fetch(queue_, d_embeddings_, r_.d_embeddings, n * d);
    if (r_.d_weights != nullptr) memory_.fetch(queue_, d_weights_, r_.d_weights, gradient_rows() * d);
    queue_.synchronize();
    r_.reduced_loss = results.reduced_loss;
    r_.counted = results.counted;
    r_.zero_embeddings = results.zero_embeddings;
    r_.zero_weights = results.zero_weights;
  }

  const device_turn& turn_;
  queue& queue_;
  const cosface_margin_softmax_problem& p_;
  const cosface_margin_softmax_options& options_;
  const cosface_cuda_class_subset* subset_;
  cosface_margin_softmax_results& r_;
  const step_plan plan_;
  const weights_on_device resident_;
  staging memory_;
  int64_t embeddings_ = -1, weights_ = -1, labels_ = -1, sample_weights_ = -1;
  int64_t sample_m1_ = -1, sample_m2_ = -1, sample_m3_ = -1, bias_ = -1;
  int64_t d_sample_weights_ = -1, d_sample_m1_ = -1, d_sample_m2_ = -1, d_sample_m3_ = -1, d_bias_ = -1;
  int64_t loss_gradient_ = -1, ids_ = -1, loss_ = -1, target_cosine_ = -1, prediction_ = -1;
  int64_t d_embeddings_ = -1, d_weights_ = -1, workspace_ = -1;
};

}  // namespace

void check_call(const cosface_margin_softmax_problem& problem, const cosface_margin_softmax_options& options,
                const cosface_margin_softmax_results& results) {
  cosface_error error{};
  throw_unless_ok(check_shape(problem, &error), error);
  if (problem.class_ids != nullptr)
    throw failure(COSFACE_ERROR_UNSUPPORTED,
                  "a GPU takes classIds with weights that stay on it only, expected none. Use ResidentHead, or device "
                  "'cpu'.",
                  "classIds");
  throw_unless_ok(check_options(options, &error), error);
  throw_unless_ok(check_classes(problem, options, &error), error);
  throw_unless_ok(check_buffers(problem, options, results, false, &error), error);
}

step_shape shape_of(const cosface_margin_softmax_problem& problem, const cosface_margin_softmax_results& results,
                    bool gradients) {
  return {problem.batch, problem.classes, problem.dim, gradients, problem.bias != nullptr || results.d_bias != nullptr};
}

void check_subset(const cosface_cuda_class_subset& subset, int64_t count) {
  int64_t before = -1;
  for (int64_t k = 0; k < count; before = subset.ids[k], k++) {
    const int64_t id = subset.ids[k];
    if (id > before && id < subset.total) continue;
    throw failure(COSFACE_ERROR_OPTION,
                  "classIds[" + std::to_string(k) + "] is " + std::to_string(id) + ", expected whole numbers in [0, " +
                      std::to_string(subset.total) + "), each above the one before. Sort them and leave out doubles.",
                  "classIds", k);
  }
}

void run_on_host_arrays(const device_turn& turn, const cosface_cuda_call& call, bool gradients,
                        const weights_on_device& resident) {
  host_call(turn, call, gradients, resident).run();
}

}  // namespace cosface::cuda
