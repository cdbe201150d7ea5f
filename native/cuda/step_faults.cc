#include "cuda/step_faults.h"

#include <vector>

#include "cpu/check.h"

namespace cosface::cuda {
namespace {

constexpr uint32_t no_fault = UINT32_MAX;

template <class T>
std::vector<T> copy_to_host(queue& queue, const T* from, int64_t count) {
  std::vector<T> values(from == nullptr ? 0 : static_cast<size_t>(count));
  if (!values.empty()) queue.copy_from_device(values.data(), from, static_cast<int64_t>(values.size() * sizeof(T)));
  queue.synchronize();
  return values;
}

template <class T>
const T* pointer_or_null(const std::vector<T>& values) {
  return values.empty() ? nullptr : values.data();
}

[[noreturn]] void throw_error(const cosface_error& error) {
  throw failure(error.status, error.message, error.argument, error.index);
}

// The CPU's own check, on copies: the same words, and one place for them.
void throw_sample_fault(queue& queue, const cosface_margin_softmax_problem& p,
                        const cosface_margin_softmax_options& options) {
  const std::vector<int32_t> labels = copy_to_host(queue, p.labels, p.batch);
  const std::vector<float> weights = copy_to_host(queue, p.sample_weights, p.batch),
                           m1 = copy_to_host(queue, p.sample_m1, p.batch),
                           m2 = copy_to_host(queue, p.sample_m2, p.batch),
                           m3 = copy_to_host(queue, p.sample_m3, p.batch),
                           gradient = copy_to_host(queue, p.loss_gradient, p.batch),
                           bias = copy_to_host(queue, p.bias, bias_count(p, options));
  cosface_margin_softmax_problem host = p;
  host.sample_weights = pointer_or_null(weights);
  host.sample_m1 = pointer_or_null(m1);
  host.sample_m2 = pointer_or_null(m2);
  host.sample_m3 = pointer_or_null(m3);
  host.loss_gradient = pointer_or_null(gradient);
  host.bias = pointer_or_null(bias);
  cosface_error error{};
  if (check_samples(host, options, labels.data(), &error) != COSFACE_OK) throw_error(error);
}

void throw_row_fault(queue& queue, const char* argument, const float* matrix, int64_t row, int64_t dim) {
  const std::vector<float> values = copy_to_host(queue, matrix + row * dim, dim);
  cosface_error error{};
  if (find_in_row(argument, values.data(), row, dim, &error) != COSFACE_OK) throw_error(error);
}

}  // namespace

void throw_faults(queue& queue, const first_faults& faults, const device_problem& problem,
                  const cosface_margin_softmax_options& options) {
  const cosface_margin_softmax_problem& p = problem.problem;
  for (const uint32_t fault :
       {faults.label, faults.sample_weight, faults.sample_margin, faults.loss_gradient, faults.bias})
    if (fault != no_fault) throw_sample_fault(queue, p, options);
  if (faults.embedding != no_fault) throw_row_fault(queue, "embeddings", p.embeddings, faults.embedding, p.dim);
  if (faults.weight == no_fault) return;
  int64_t row = faults.weight;
  const int64_t centers = options.sub_centers;
  if (problem.class_ids != nullptr)
    row = copy_to_host(queue, problem.class_ids + row / centers, 1)[0] * centers + row % centers;
  throw_row_fault(queue, "weights", p.weights, row, p.dim);
}

}  // namespace cosface::cuda
