// Search, counts and thresholds on any rows: no undefined behaviour, and they agree with each other.
#include "cosface/cosine_search.h"

#include <algorithm>

#include "fuzz_input.h"

namespace cosface::test {
namespace {

struct fuzzed_search {
  std::vector<float> query_rows, gallery_rows;
  std::vector<int32_t> query_labels, gallery_labels;
  cosface_search_problem view{};
  cosface_search_options options{};
};

void fill_search(FuzzedDataProvider& input, fuzzed_search& s) {
  const int64_t queries = input.ConsumeIntegralInRange<int64_t>(0, 60);
  const int64_t gallery = input.ConsumeIntegralInRange<int64_t>(1, 60);
  const int64_t dim = input.ConsumeIntegralInRange<int64_t>(1, 40);
  const bool within = input.ConsumeBool();
  s.query_rows = fuzzed_values(input, queries * dim);
  s.gallery_rows = within ? std::vector<float>() : fuzzed_values(input, gallery * dim);
  if (input.ConsumeBool()) {
    s.query_labels = fuzzed_labels(input, queries, 5);
    if (!within) s.gallery_labels = fuzzed_labels(input, gallery, 5);
  }
  s.view = {.queries = queries,
            .gallery = gallery,
            .dim = dim,
            .query_rows = s.query_rows.data(),
            .gallery_rows = pointer_or_null(s.gallery_rows),
            .query_labels = pointer_or_null(s.query_labels),
            .gallery_labels = pointer_or_null(s.gallery_labels)};
  cosface_search_default_options(&s.options);
  s.options.isa = static_cast<cosface_isa>(input.ConsumeIntegralInRange<int>(0, 5));
  s.options.threads = input.ConsumeIntegralInRange<int>(1, 3);
  s.options.workspace_bytes = input.ConsumeIntegralInRange<int64_t>(-1, 1 << 18);
}

void fuzz_top_k(FuzzedDataProvider& input, const fuzzed_search& s) {
  const int64_t k = input.ConsumeIntegralInRange<int64_t>(0, s.view.gallery + 1);
  std::vector<int32_t> indices(s.view.queries * k);
  std::vector<float> scores(s.view.queries * k);
  cosface_error error{};
  const cosface_status status = cosface_top_k(&s.view, &s.options, k, indices.data(), scores.data(), nullptr, &error);
  if (status != COSFACE_OK) return require_error(status, error);
  for (int64_t q = 0; q < s.view.queries; q++) {
    for (int64_t j = 0; j < k; j++) {
      require(indices[q * k + j] >= 0 && indices[q * k + j] < s.view.gallery, "an index is a row of the gallery");
      require(j == 0 || scores[q * k + j] <= scores[q * k + j - 1], "scores fall");
    }
  }
}

// At a threshold for a rate no more impostors are accepted than the rate allows.
void fuzz_thresholds(FuzzedDataProvider& input, const fuzzed_search& s) {
  double rates[3], thresholds[3];
  for (double& rate : rates) rate = fuzzed_number(input, 0, 1);
  int64_t pairs = 0;
  cosface_error error{};
  cosface_status status =
      cosface_impostor_thresholds(&s.view, &s.options, rates, 3, thresholds, &pairs, nullptr, &error);
  if (status != COSFACE_OK) return require_error(status, error);
  int64_t genuine[3], impostor[3];
  cosface_pair_counts counts = {genuine, impostor, 0, 0};
  status = cosface_count_above(&s.view, &s.options, thresholds, 3, &counts, nullptr, &error);
  require(status == COSFACE_OK, "what gave thresholds can be counted");
  require(counts.impostor_pairs == pairs, "both see the same impostors");
  for (int t = 0; t < 3; t++)
    require(static_cast<double>(impostor[t]) <= rates[t] * static_cast<double>(pairs), "the rate is kept");
}

}  // namespace

void fuzz(FuzzedDataProvider& input) {
  fuzzed_search search;
  fill_search(input, search);
  if (input.ConsumeBool())
    fuzz_top_k(input, search);
  else
    fuzz_thresholds(input, search);
}

}  // namespace cosface::test
