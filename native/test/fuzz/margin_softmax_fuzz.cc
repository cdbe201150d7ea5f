// The fused step on any problem and options: no undefined behaviour, an error that says what, or results, all of them
// written and the same bits on one thread and on three.
#include "fuzz_input.h"

namespace cosface::test {
namespace {

struct fuzzed_problem {
  std::vector<float> embeddings, weights, sample_weights, sample_m1, sample_m2, sample_m3, bias;
  std::vector<int32_t> labels, class_ids;
  cosface_margin_softmax_problem view{};
};

std::vector<int32_t> fuzzed_class_ids(FuzzedDataProvider& input, int64_t classes) {
  if (input.ConsumeIntegralInRange<int>(0, 3) != 0) return {};
  std::vector<int32_t> ids;
  seeded_random random(input.ConsumeIntegral<uint32_t>());
  for (int32_t c = 0; c < classes; c++)
    if (random.below(2) == 0) ids.push_back(c);
  if (!ids.empty() && input.ConsumeIntegralInRange<int>(0, 10) == 0)
    ids[input.ConsumeIntegralInRange<size_t>(0, ids.size() - 1)] = input.ConsumeIntegral<int32_t>();
  ids.shrink_to_fit();
  return ids;
}

void fill_problem(FuzzedDataProvider& input, const cosface_margin_softmax_options& options, fuzzed_problem& p) {
  const int64_t batch = input.ConsumeIntegralInRange<int64_t>(0, 40);
  const int64_t classes = input.ConsumeIntegralInRange<int64_t>(1, 70);
  const int64_t dim = input.ConsumeIntegralInRange<int64_t>(1, 70);
  const int64_t centers = options.sub_centers < 1 ? 1 : options.sub_centers;
  p.embeddings = fuzzed_values(input, batch * dim);
  p.weights = fuzzed_values(input, classes * centers * dim);
  p.labels = fuzzed_labels(input, batch, classes);
  p.sample_weights = fuzzed_per_sample(input, batch, -2, 2);
  p.sample_m1 = fuzzed_per_sample(input, batch, 0, 16);
  p.sample_m2 = fuzzed_per_sample(input, batch, -3, 3);
  p.sample_m3 = fuzzed_per_sample(input, batch, -2, 2);
  if (input.ConsumeBool()) p.bias = fuzzed_values(input, options.form == COSFACE_FORM_BINARY ? 1 : classes);
  p.class_ids = fuzzed_class_ids(input, classes);
  p.view = {.batch = batch,
            .classes = classes,
            .dim = dim,
            .embeddings = p.embeddings.data(),
            .weights = p.weights.data(),
            .labels = p.labels.data(),
            .sample_weights = pointer_or_null(p.sample_weights),
            .sample_m1 = pointer_or_null(p.sample_m1),
            .sample_m2 = pointer_or_null(p.sample_m2),
            .sample_m3 = pointer_or_null(p.sample_m3),
            .loss_gradient = nullptr,
            .bias = pointer_or_null(p.bias),
            .class_ids = pointer_or_null(p.class_ids),
            .class_count = static_cast<int64_t>(p.class_ids.size())};
}

void require_results(const kernel_results& results) {
  for (const float loss : results.loss) require(!std::isnan(loss), "a loss is a number");
  for (const float cosine : results.target_cosine) require(!std::isnan(cosine), "a cosine is a number");
  for (const int32_t prediction : results.prediction) require(prediction >= 0, "a prediction is a class");
}

void require_same(const kernel_results& a, const kernel_results& b) {
  require(b.status == a.status, "the status does not depend on the threads");
  if (a.status == COSFACE_OK) require(first_difference(a, b).empty(), "the results do not depend on the threads");
}

}  // namespace

void fuzz(FuzzedDataProvider& input) {
  cosface_margin_softmax_options options = fuzzed_options(input);
  const bool gradients = input.ConsumeBool();
  fuzzed_problem problem;
  fill_problem(input, options, problem);
  options.threads = 1;
  const kernel_results results = run_kernel(problem.view, options, gradients);
  if (results.status == COSFACE_OK)
    require_results(results);
  else
    require_error(results.status, results.error);
  options.threads = 3;
  require_same(results, run_kernel(problem.view, options, gradients));
}

}  // namespace cosface::test
