// A resident head through some steps, reads and writes: no undefined behaviour, and a step that fails moves nothing.
#include "cosface/resident_head.h"

#include <memory>

#include "fuzz_input.h"

namespace cosface::test {
namespace {

struct free_head {
  void operator()(cosface_resident_head* head) const { cosface_resident_head_free(head); }
};
using head_pointer = std::unique_ptr<cosface_resident_head, free_head>;

constexpr cosface_resident_head_part parts[] = {COSFACE_HEAD_WEIGHTS, COSFACE_HEAD_VELOCITY, COSFACE_HEAD_FIRST_MOMENT,
                                                COSFACE_HEAD_SECOND_MOMENT, COSFACE_HEAD_UPDATES};

cosface_resident_head_options fuzzed_head(FuzzedDataProvider& input) {
  cosface_resident_head_options options;
  cosface_resident_head_default_options(&options);
  options.classes = input.ConsumeIntegralInRange<int64_t>(-1, 50);
  options.dim = input.ConsumeIntegralInRange<int64_t>(-1, 50);
  options.optimizer = static_cast<cosface_optimizer>(input.ConsumeIntegralInRange<int>(0, 1));
  options.momentum = fuzzed_number(input, 0, 0.999);
  options.beta1 = fuzzed_number(input, 0, 0.999);
  options.beta2 = fuzzed_number(input, 0, 0.999);
  options.epsilon = fuzzed_number(input, 1e-9, 1);
  options.normalize = input.ConsumeBool();
  return options;
}

std::vector<unsigned char> all_of(cosface_resident_head* head, const cosface_resident_head_options& options) {
  std::vector<unsigned char> bytes;
  for (const cosface_resident_head_part part : parts) {
    const int64_t size = options.classes * cosface_resident_head_row_bytes(head, part);
    if (size == 0) continue;
    std::vector<unsigned char> rows(size);
    cosface_error error{};
    require(cosface_resident_head_read(head, part, 0, options.classes, rows.data(), &error) == COSFACE_OK, "it reads");
    bytes.insert(bytes.end(), rows.begin(), rows.end());
  }
  return bytes;
}

void write_some(FuzzedDataProvider& input, cosface_resident_head* head, const cosface_resident_head_options& options) {
  const cosface_resident_head_part part = input.PickValueInArray(parts);
  const int64_t first = input.ConsumeIntegralInRange<int64_t>(-1, options.classes);
  const int64_t count = input.ConsumeIntegralInRange<int64_t>(-1, options.classes + 1);
  const int64_t bytes = cosface_resident_head_row_bytes(head, part);
  const std::vector<float> rows = fuzzed_values(input, std::max<int64_t>(count, 0) * (bytes + 3) / 4);
  cosface_error error{};
  const cosface_status status = cosface_resident_head_write(head, part, first, count, rows.data(), &error);
  if (status != COSFACE_OK) require_error(status, error);
}

void step(FuzzedDataProvider& input, cosface_resident_head* head, const cosface_resident_head_options& head_options) {
  cosface_margin_softmax_options options = fuzzed_options(input);
  options.threads = input.ConsumeIntegralInRange<int>(1, 3);
  const int64_t batch = input.ConsumeIntegralInRange<int64_t>(0, 20);
  const std::vector<float> embeddings = fuzzed_values(input, batch * head_options.dim);
  const std::vector<int32_t> labels = fuzzed_labels(input, batch, head_options.classes);
  cosface_margin_softmax_problem problem{};
  problem.batch = batch;
  problem.classes = head_options.classes;
  problem.dim = head_options.dim;
  problem.embeddings = embeddings.data();
  problem.labels = labels.data();
  std::vector<float> loss(batch), d_embeddings(batch * head_options.dim);
  cosface_margin_softmax_results results{};
  const bool updates = input.ConsumeBool();
  static float no_rows = 0;
  results.loss = loss.data();
  if (updates) results.d_embeddings = d_embeddings.empty() ? &no_rows : d_embeddings.data();
  const cosface_resident_head_update update = {fuzzed_number(input, 0, 10), fuzzed_number(input, 0, 1)};
  const std::vector<unsigned char> before = all_of(head, head_options);
  cosface_error error{};
  const cosface_status status =
      cosface_resident_head_step(head, &problem, &options, nullptr, updates ? &update : nullptr, &results, &error);
  if (status != COSFACE_OK) require_error(status, error);
  if (status != COSFACE_OK || !updates)
    require(same_bits(before, all_of(head, head_options)), "a step that failed, or has no update, moves nothing");
}

}  // namespace

void fuzz(FuzzedDataProvider& input) {
  const cosface_resident_head_options options = fuzzed_head(input);
  cosface_resident_head* made = nullptr;
  cosface_error error{};
  const cosface_status status = cosface_resident_head_create(&options, &made, &error);
  const head_pointer head(made);
  if (status != COSFACE_OK) return require_error(status, error);
  std::vector<float> rows(options.classes * options.dim);
  cosface_uniform_rows(input.ConsumeIntegral<uint32_t>(), 0, options.classes, options.dim, 1, rows.data());
  require(
      cosface_resident_head_write(made, COSFACE_HEAD_WEIGHTS, 0, options.classes, rows.data(), &error) == COSFACE_OK,
      "it is written");
  for (int k = input.ConsumeIntegralInRange<int>(1, 4); k > 0; k--) {
    if (input.ConsumeIntegralInRange<int>(0, 2) == 0) write_some(input, made, options);
    step(input, made, options);
  }
}

}  // namespace cosface::test
