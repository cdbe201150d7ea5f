// The C ABI of cosine search: checks, plan, memory, and the sweep with its user.
#include "cosface/cosine_search.h"

#include <algorithm>
#include <cmath>

#include "cpu/check.h"
#include "cpu/environment.h"
#include "cpu/isa.h"
#include "cpu/search_users.h"
#include "cpu/workspace.h"

namespace cosface {
namespace {

cosface_status check_problem(const cosface_search_problem& p, bool search, cosface_error* error) {
  if (auto s = check_dimension("queries", "Q", p.queries, 0, largest_count, error)) return s;
  const bool has_gallery = p.gallery_rows != nullptr || search;
  if (has_gallery)
    if (auto s = check_dimension("gallery", "G", p.gallery, 1, largest_count, error)) return s;
  if (auto s = check_dim(p.dim, error)) return s;
  if (auto s = check_present("queries", p.query_rows, p.queries, error)) return s;
  if (search) return check_present("gallery", p.gallery_rows, p.gallery, error);
  if (has_gallery && p.queries > 0 && (p.query_labels != nullptr) != (p.gallery_labels != nullptr))
    return fill_error(error, COSFACE_ERROR_SHAPE, p.query_labels == nullptr ? "queryLabels" : "galleryLabels", -1,
                      "%s is missing. Give the labels of both or of neither.",
                      p.query_labels == nullptr ? "queryLabels" : "galleryLabels");
  return COSFACE_OK;
}

cosface_status check_thresholds(const double* thresholds, int64_t count, cosface_error* error) {
  if (auto s = check_dimension("thresholds", "T", count, 1, largest_count, error)) return s;
  if (auto s = check_present("thresholds", thresholds, count, error)) return s;
  for (int64_t t = 0; t < count; t++)
    if (std::isnan(thresholds[t]))
      return fill_error(error, COSFACE_ERROR_NOT_FINITE, "thresholds", t, "thresholds[%lld] is NaN, expected a number.",
                        static_cast<long long>(t));
  return COSFACE_OK;
}

cosface_status check_rates(const double* rates, int64_t count, cosface_error* error) {
  if (auto s = check_dimension("falseAcceptRates", "F", count, 1, largest_count, error)) return s;
  if (auto s = check_present("falseAcceptRates", rates, count, error)) return s;
  for (int64_t n = 0; n < count; n++)
    if (!(rates[n] >= 0 && rates[n] <= 1))
      return fill_error(
          error, COSFACE_ERROR_OPTION, "falseAcceptRates", n,
          "falseAcceptRates[%lld] is %g, expected a number in [0, 1]; 1e-6 accepts one impostor pair in a "
          "million.",
          static_cast<long long>(n), rates[n]);
  return COSFACE_OK;
}

int64_t count_pairs(const cosface_search_problem& p) {
  return p.gallery_rows != nullptr ? p.queries * p.gallery : p.queries * (p.queries - 1) / 2;
}

int64_t count_genuine(const int32_t* queries, int64_t query_count, const int32_t* gallery, int64_t gallery_count) {
  int64_t pairs = 0;
  for (int64_t i = 0, j = 0; i < query_count && j < gallery_count;) {
    const int32_t label = std::min(queries[i], gallery[j]);
    const int64_t first_i = i, first_j = j;
    while (i < query_count && queries[i] == label) i++;
    while (j < gallery_count && gallery[j] == label) j++;
    pairs += (i - first_i) * (j - first_j);
  }
  return pairs;
}

// All pairs less those of one label.
cosface_status count_impostors(const cosface_search_problem& p, int64_t& impostors, cosface_error* error) {
  impostors = count_pairs(p);
  if (p.query_labels != nullptr && p.queries > 0) {
    const bool each_pair_once = p.gallery_rows == nullptr;
    const int64_t gallery = each_pair_once ? 0 : p.gallery;
    const workspace memory(static_cast<size_t>(p.queries + gallery) * sizeof(int32_t));
    if (memory.data() == nullptr)
      return fill_error(error, COSFACE_ERROR_OUT_OF_MEMORY, "queryLabels", -1, "no memory to sort the labels.");
    int32_t *of_queries = static_cast<int32_t*>(memory.data()), *of_gallery = of_queries + p.queries;
    std::sort(of_queries, std::copy_n(p.query_labels, p.queries, of_queries));
    if (each_pair_once) {
      impostors -= (count_genuine(of_queries, p.queries, of_queries, p.queries) - p.queries) / 2;
    } else {
      std::sort(of_gallery, std::copy_n(p.gallery_labels, gallery, of_gallery));
      impostors -= count_genuine(of_queries, p.queries, of_gallery, gallery);
    }
  }
  if (impostors > 0) return COSFACE_OK;
  return fill_error(error, COSFACE_ERROR_SHAPE, "queries", -1,
                    "queries has %lld rows and makes no impostor pair, expected at least one pair of different labels.",
                    static_cast<long long>(p.queries));
}

// The most pairs whose share of all is at most `rate`.
int64_t accepted_of(int64_t pairs, double rate) {
  const double all = static_cast<double>(pairs);
  int64_t accepted = std::min(static_cast<int64_t>(rate * all), pairs);
  while (accepted < pairs && static_cast<double>(accepted + 1) / all <= rate) accepted++;
  while (accepted > 0 && static_cast<double>(accepted) / all > rate) accepted--;
  return accepted;
}

struct search_call {
  const cosface_search_problem& problem;
  const cosface_search_options& options;
  cosface_search_plan* plan;
  cosface_error* error;
};

// Everything around the work itself, which is run(sweep).
template <class function>
cosface_status run_search(const search_call& call, search_shape shape, const function& run) {
  cosface_search_options options = call.options;
  if (auto s = check_resources(options.threads, options.workspace_bytes, call.error)) return s;
  if (options.isa == COSFACE_ISA_AUTO || options.threads == 0)
    if (auto s = cosface_search_read_environment(&options, call.error)) return s;
  cosface_error reason{};
  const cpu_kernels* kernels = kernels_for(options.isa, &reason);
  if (kernels == nullptr) {
    if (call.error) *call.error = reason;
    return reason.status;
  }
  shape.queries = call.problem.queries;
  shape.gallery = call.problem.gallery_rows != nullptr ? call.problem.gallery : call.problem.queries;
  shape.dim = call.problem.dim;
  const cosface_search_plan plan = choose_search_plan(shape, options.workspace_bytes, *kernels, options.threads);
  if (call.plan) *call.plan = plan;
  if (options.print) print_plan(shape, plan);
  const workspace memory(static_cast<size_t>(plan.workspace_bytes));
  if (memory.data() == nullptr)
    return fill_error(call.error, COSFACE_ERROR_OUT_OF_MEMORY, "workspaceBytes", -1,
                      "%lld bytes of workspace could not be allocated. Lower workspaceBytes or what is to be kept.",
                      static_cast<long long>(plan.workspace_bytes));
  search_sweep sweep(call.problem, shape, plan, *kernels, memory.data());
  return run(sweep);
}

}  // namespace
}  // namespace cosface

extern "C" {

void cosface_search_default_options(cosface_search_options* options) {
  *options = {.isa = COSFACE_ISA_AUTO, .threads = 0, .workspace_bytes = 64 << 20, .print = 0};
}

cosface_status cosface_search_read_environment(cosface_search_options* options, cosface_error* error) {
  cosface::call_environment environment{};
  if (auto s = cosface::read_environment(options->isa, options->threads, environment, error)) return s;
  options->isa = environment.isa;
  options->threads = environment.threads;
  options->print = environment.print;
  return COSFACE_OK;
}

cosface_status cosface_top_k(const cosface_search_problem* problem, const cosface_search_options* options, int64_t k,
                             int32_t* indices, float* scores, cosface_search_plan* plan, cosface_error* error) {
  using namespace cosface;
  if (auto s = check_problem(*problem, true, error)) return s;
  if (k < 1 || k > problem->gallery)
    return fill_error(error, COSFACE_ERROR_OPTION, "k", -1,
                      "k is %lld, expected a whole number in [1, %lld] because gallery has %lld rows.",
                      static_cast<long long>(k), static_cast<long long>(problem->gallery),
                      static_cast<long long>(problem->gallery));
  cosface_search_problem unlabelled = *problem;
  unlabelled.query_labels = unlabelled.gallery_labels = nullptr;
  const search_shape shape{.query_bytes = top_k_user::query_bytes(k)};
  return run_search({unlabelled, *options, plan, error}, shape, [&](search_sweep& sweep) {
    top_k_user user(sweep, k, {indices, scores});
    return sweep.run(user, error);
  });
}

cosface_status cosface_count_above(const cosface_search_problem* problem, const cosface_search_options* options,
                                   const double* thresholds, int64_t threshold_count, cosface_pair_counts* counts,
                                   cosface_search_plan* plan, cosface_error* error) {
  using namespace cosface;
  if (auto s = check_problem(*problem, false, error)) return s;
  if (auto s = check_thresholds(thresholds, threshold_count, error)) return s;
  const search_shape shape{.worker_bytes = count_user::worker_bytes(threshold_count),
                           .shared_bytes = count_user::shared_bytes(threshold_count)};
  return run_search({*problem, *options, plan, error}, shape, [&](search_sweep& sweep) {
    count_user user(sweep, thresholds, threshold_count);
    if (auto s = sweep.run(user, error)) return s;
    user.finish(count_pairs(*problem), *counts);
    return COSFACE_OK;
  });
}

cosface_status cosface_impostor_thresholds(const cosface_search_problem* problem, const cosface_search_options* options,
                                           const double* false_accept_rates, int64_t rate_count, double* thresholds,
                                           int64_t* impostor_pairs, cosface_search_plan* plan, cosface_error* error) {
  using namespace cosface;
  if (auto s = check_problem(*problem, false, error)) return s;
  if (auto s = check_rates(false_accept_rates, rate_count, error)) return s;
  if (auto s = count_impostors(*problem, *impostor_pairs, error)) return s;
  int64_t most = 0;
  for (int64_t n = 0; n < rate_count; n++) most = std::max(most, accepted_of(*impostor_pairs, false_accept_rates[n]));
  const int64_t kept = std::min(most + 1, *impostor_pairs);
  const search_shape shape{.worker_bytes = largest_user::worker_bytes(kept)};
  return run_search({*problem, *options, plan, error}, shape, [&](search_sweep& sweep) {
    largest_user user(sweep, kept);
    if (auto s = sweep.run(user, error)) return s;
    const double* cosines = user.finish();
    for (int64_t n = 0; n < rate_count; n++) {
      const int64_t accepted = accepted_of(*impostor_pairs, false_accept_rates[n]);
      thresholds[n] = accepted < *impostor_pairs ? std::nextafter(cosines[accepted], 2.0) : -1.0;
    }
    return COSFACE_OK;
  });
}

}  // extern "C"
