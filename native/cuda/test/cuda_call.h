// One step on a device from arrays of the host, with outputs that start as NaN, so that an element nobody wrote shows.
//
// The plan may be made for other properties than the device has: so every tile and split runs on one device.
#pragma once

#include <algorithm>
#include <limits>
#include <vector>

#include "cosface/sample_margins.h"
#include "cuda/device.h"
#include "cuda/step.h"
#include "test/kernel_call.h"

namespace cosface::cuda::test {

using cosface::test::kernel_results;
using cosface::test::problem_data;

// The tensor-core tiles differ by the shared memory that a block may have.
constexpr int64_t hopper_shared_bytes = 232448, ampere_shared_bytes = 166912, consumer_shared_bytes = 101376;

struct device_call {
  problem_data data;
  cosface_margin_softmax_options options;
  bool gradients = true;
  bool d_embeddings = true;
  int64_t shared_bytes = hopper_shared_bytes;
  int multiprocessors = 1;                          // few parts of dx, and so long sweeps
  const std::vector<int32_t>* class_ids = nullptr;  // then data.shape.classes is their count
  std::vector<float> own_margins[3] = {};           // of each sample, beside that of data; empty: the common ones
};

class opened_device {
 public:
  opened_device() : device_(open_driver(), 0, embedded_image()), current_(device_), queue_(device_) {}
  const device& get() const { return device_; }
  queue& work() { return queue_; }

 private:
  device device_;
  context_scope current_;
  queue queue_;
};

inline opened_device& shared_device() {
  static opened_device device;
  return device;
}

inline step_plan plan_of(const device_call& call) {
  device_properties properties = shared_device().get().properties();
  // A GPU may have less; it then runs its own widest tile.
  properties.shared_bytes_per_block = std::min(call.shared_bytes, properties.shared_bytes_per_block);
  properties.shared_bytes_per_multiprocessor = properties.shared_bytes_per_block + 1024;
  properties.multiprocessors = call.multiprocessors;
  properties.memory_bytes = int64_t{16} << 30;
  const auto& shape = call.data.shape;
  return choose_step_plan({shape.batch, shape.classes, shape.dim, call.gradients, !call.data.bias.empty()},
                          call.options, properties);
}

// A copy of a vector on the device; null for an empty one.
template <class T>
class device_array {
 public:
  explicit device_array(const std::vector<T>& values)
      : memory_(shared_device().get(), static_cast<int64_t>(values.size() * sizeof(T))) {
    if (!values.empty()) shared_device().work().copy_to_device(memory_.data(), values.data(), memory_.bytes());
  }
  T* data() const { return memory_.bytes() == 0 ? nullptr : memory_.as<T>(); }
  void copy_back(std::vector<T>& values) const {
    if (!values.empty()) shared_device().work().copy_from_device(values.data(), memory_.data(), memory_.bytes());
  }

 private:
  device_memory memory_;
};

// Outputs on the device and their copies.
struct device_outputs {
  explicit device_outputs(kernel_results& host)
      : loss(host.loss),
        target_cosine(host.target_cosine),
        d_embeddings(host.d_embeddings),
        d_weights(host.d_weights),
        d_bias(host.d_bias),
        d_sample_weights(host.d_sample_weights),
        d_sample_m1(host.d_sample_m1),
        d_sample_m2(host.d_sample_m2),
        d_sample_m3(host.d_sample_m3),
        prediction(host.prediction) {}
  void copy_back(kernel_results& host) const {
    loss.copy_back(host.loss);
    target_cosine.copy_back(host.target_cosine);
    d_embeddings.copy_back(host.d_embeddings);
    d_weights.copy_back(host.d_weights);
    d_bias.copy_back(host.d_bias);
    d_sample_weights.copy_back(host.d_sample_weights);
    d_sample_m1.copy_back(host.d_sample_m1);
    d_sample_m2.copy_back(host.d_sample_m2);
    d_sample_m3.copy_back(host.d_sample_m3);
    prediction.copy_back(host.prediction);
    shared_device().work().synchronize();
  }

  device_array<float> loss, target_cosine, d_embeddings, d_weights, d_bias;
  device_array<float> d_sample_weights, d_sample_m1, d_sample_m2, d_sample_m3;
  device_array<int32_t> prediction;
};

// To outputs on the device or in this process, which have the same names.
template <class outputs>
cosface_margin_softmax_results pointers_to(outputs& out) {
  cosface_margin_softmax_results results{};
  results.loss = out.loss.data();
  results.target_cosine = out.target_cosine.data();
  results.prediction = out.prediction.data();
  results.d_embeddings = out.d_embeddings.data();
  results.d_weights = out.d_weights.data();
  results.d_bias = out.d_bias.data();
  results.d_sample_weights = out.d_sample_weights.data();
  results.d_sample_m1 = out.d_sample_m1.data();
  results.d_sample_m2 = out.d_sample_m2.data();
  results.d_sample_m3 = out.d_sample_m3.data();
  return results;
}

inline kernel_results empty_results(const device_call& call) {
  constexpr float nan = std::numeric_limits<float>::quiet_NaN();
  const auto& shape = call.data.shape;
  kernel_results out;
  out.loss.assign(shape.batch, nan);
  out.target_cosine.assign(shape.batch, nan);
  out.prediction.assign(shape.batch, -7);
  if (call.gradients && call.d_embeddings) out.d_embeddings.assign(shape.batch * shape.dim, nan);
  for (std::vector<float>* by : {&out.d_sample_weights, &out.d_sample_m1, &out.d_sample_m2, &out.d_sample_m3})
    by->assign(shape.batch, nan);
  if (!call.gradients) return out;
  out.d_weights.assign(shape.classes * call.options.sub_centers * shape.dim, nan);
  out.d_bias.assign(call.data.bias.size(), nan);
  return out;
}

// Throws nothing: a failure becomes the status and the error of the results.
inline kernel_results run_on_device(const device_call& call) {
  kernel_results out = empty_results(call);
  try {
    const problem_data& d = call.data;
    const device_array<float> x(d.embeddings), w(d.weights), weights(d.sample_weights), margins(d.sample_margins),
        m1(call.own_margins[0]), m2(call.own_margins[1]), m3(call.own_margins[2]), bias(d.bias),
        gradient(d.loss_gradient);
    const device_array<int32_t> labels(d.labels),
        ids(call.class_ids == nullptr ? std::vector<int32_t>() : *call.class_ids);
    const device_outputs outputs(out);
    cosface_margin_softmax_results results = pointers_to(outputs);
    cosface_margin_softmax_problem on_device{};
    on_device.batch = d.shape.batch;
    on_device.classes = d.shape.classes;
    on_device.dim = d.shape.dim;
    on_device.embeddings = x.data();
    on_device.weights = w.data();
    on_device.labels = labels.data();
    on_device.sample_weights = weights.data();
    on_device.sample_m1 = m1.data();
    on_device.sample_m2 = m2.data();
    on_device.sample_m3 = m3.data();
    if (margins.data() != nullptr) sample_margin(on_device, d.sample_margin_term) = margins.data();
    on_device.bias = bias.data();
    on_device.loss_gradient = gradient.data();
    const device_problem problem{on_device, ids.data()};
    const step_plan plan = plan_of(call);
    // Workspace that was never cleared: whatever a kernel forgets to write is a NaN or an index far away.
    const device_array<unsigned char> workspace(
        std::vector<unsigned char>(static_cast<size_t>(plan.workspace_bytes), 0xff));
    run_step(shared_device().work(), plan, problem, call.options, results,
             reinterpret_cast<std::byte*>(workspace.data()));
    outputs.copy_back(out);
    out.reduced_loss = results.reduced_loss;
    out.counted = results.counted;
    out.zero_embeddings = results.zero_embeddings;
    out.zero_weights = results.zero_weights;
  } catch (const failure& reason) {
    out.status = reason.status();
    out.error.status = reason.status();
    out.error.index = reason.index();
    std::snprintf(out.error.argument, sizeof out.error.argument, "%s", reason.argument().c_str());
    std::snprintf(out.error.message, sizeof out.error.message, "%s", reason.what());
  }
  return out;
}

}  // namespace cosface::cuda::test
