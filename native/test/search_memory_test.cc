// The memory of a search: within its budget, exactly as planned, and none of it Q x G.
#include <gtest/gtest.h>

#include "allocation_counter.h"
#include "cpu/isa.h"
#include "cpu/search_plan.h"
#include "cpu/search_users.h"
#include "kernel_call.h"
#include "search_data.h"

namespace cosface::test {
namespace {

constexpr int64_t kib = 1024, mib = 1024 * kib;
constexpr int64_t budgets[] = {0, 1, 100 * kib, mib, 16 * mib, 64 * mib, 1024 * mib, INT64_MAX};
// Heap that is no workspace: thread objects, their shared states, task closures.
constexpr int64_t small_change = 64 * kib;

search_shape shape_of(const search_shape_case& s, int64_t k) {
  return {.queries = s.queries, .gallery = s.gallery, .dim = s.dim, .query_bytes = top_k_user::query_bytes(k)};
}

TEST(search_plan, keeps_to_the_budget_from_the_least_plan_on) {
  for (const int64_t queries : {0, 1, 7, 512, 3530, 200000})
    for (const int64_t gallery : {1, 100, 1000000})
      for (const int64_t dim : {1, 3, 512, 4096})
        for (const int64_t k : {1, 100, 1000000})
          for (const cosface_isa isa : supported_isas()) {
            const search_shape shape = shape_of({queries, gallery, dim}, std::min(k, gallery));
            const cpu_kernels& kernels = *kernels_for(isa, nullptr);
            const int64_t least = choose_search_plan(shape, 0, kernels, 1).workspace_bytes;
            for (const int32_t threads : {1, 8})
              for (const int64_t budget : budgets)
                for (const int64_t bytes : {budget, least, least + 1}) {
                  const cosface_search_plan plan = choose_search_plan(shape, bytes, kernels, threads);
                  EXPECT_LE(plan.workspace_bytes, std::max(bytes, least))
                      << queries << " x " << gallery << " x " << dim << " k " << k << " budget " << bytes;
                  EXPECT_GE(plan.threads, 1);
                  EXPECT_LE(plan.threads, threads);
                }
          }
}

TEST(search_plan, does_not_depend_on_the_number_of_threads) {
  for (const int64_t k : {1, 1000})
    for (const int64_t budget : budgets) {
      const search_shape shape = shape_of({3530, 100000, 512}, k);
      const cpu_kernels& kernels = *kernels_for(COSFACE_ISA_AUTO, nullptr);
      const cosface_search_plan one = choose_search_plan(shape, budget, kernels, 1);
      for (const int32_t threads : {2, 8, 1024}) {
        const cosface_search_plan many = choose_search_plan(shape, budget, kernels, threads);
        EXPECT_EQ(many.query_block, one.query_block);
        EXPECT_EQ(many.query_group, one.query_group);
        EXPECT_EQ(many.gallery_block, one.gallery_block);
      }
    }
}

TEST(search_plan, largest_dimensions_do_not_overflow) {
  constexpr int64_t most = INT32_MAX, widest = 1 << 24;
  for (const search_shape_case& s : {search_shape_case{most, most, widest}, {most, most, 1}, {1, most, widest}})
    for (const int64_t k : {int64_t{1}, most})
      for (const cosface_isa isa : supported_isas())
        for (const int64_t budget : budgets) {
          const cosface_search_plan plan = choose_search_plan(shape_of(s, k), budget, *kernels_for(isa, nullptr), 1024);
          EXPECT_GT(plan.workspace_bytes, 0);
          EXPECT_GE(plan.query_block, 1);
          EXPECT_GE(plan.query_group, 1);
          EXPECT_GE(plan.gallery_block, 1);
          EXPECT_GE(plan.threads, 1);
        }
}

// Of a 64 MiB budget the whole query set of MegaFace's protocol stays packed, so that the gallery is packed once.
TEST(search_plan, default_budget_packs_a_large_gallery_once) {
  const cosface_search_plan plan =
      choose_search_plan(shape_of({3530, 1000000, 512}, 1), 64 * mib, *kernels_for(COSFACE_ISA_AUTO, nullptr), 8);
  EXPECT_EQ(plan.query_block, 3530);
  EXPECT_EQ(plan.threads, 8);
}

struct measured {
  cosface_search_plan plan;
  int64_t largest, peak;
};

template <class function>
measured measure(const function& call) {
  measured m{};
  cosface_release_workspace();
  const int64_t before = allocations().live_bytes;
  reset_peak();
  cosface_error error{};
  EXPECT_EQ(call(&m.plan, &error), COSFACE_OK) << error.message;
  m.largest = allocations().largest_bytes;
  m.peak = allocations().peak_bytes - before;
  cosface_release_workspace();
  return m;
}

TEST(search_memory, the_plan_says_what_is_allocated) {
  search_data data = make_search(rows_kind::normal, {700, 900, 32}, 1);
  add_labels(data, 20, 2);
  const cosface_search_problem problem = data.view();
  std::vector<int32_t> indices(700 * 5);
  std::vector<float> scores(700 * 5);
  std::vector<int64_t> genuine(3), impostor(3);
  const double thresholds[] = {0.1, 0.2, 0.3};
  for (const cosface_isa isa : supported_isas())
    for (const int64_t budget : {int64_t{0}, 100 * kib, mib, 64 * mib})
      for (const int32_t threads : {1, 3}) {
        const cosface_search_options options{isa, threads, budget, 0};
        const measured runs[] = {
            measure([&](cosface_search_plan* plan, cosface_error* error) {
              return cosface_top_k(&problem, &options, 5, indices.data(), scores.data(), plan, error);
            }),
            measure([&](cosface_search_plan* plan, cosface_error* error) {
              cosface_pair_counts counts{genuine.data(), impostor.data(), 0, 0};
              return cosface_count_above(&problem, &options, thresholds, 3, &counts, plan, error);
            }),
            measure([&](cosface_search_plan* plan, cosface_error* error) {
              const double rate = 1e-3;
              double threshold = 0;
              int64_t pairs = 0;
              return cosface_impostor_thresholds(&problem, &options, &rate, 1, &threshold, &pairs, plan, error);
            })};
        for (const measured& m : runs) {
          EXPECT_EQ(m.largest, m.plan.workspace_bytes) << "budget " << budget;
          EXPECT_LE(m.peak, m.plan.workspace_bytes + small_change) << "budget " << budget;
        }
      }
}

TEST(search_memory, running_out_is_an_error_and_not_the_end) {
  const search_data data = make_search(rows_kind::normal, {200, 600, 48}, 4);
  const cosface_search_problem problem = data.view();
  const cosface_search_options options{COSFACE_ISA_AUTO, 1, 64 * mib, 0};
  std::vector<int32_t> indices(200);
  std::vector<float> scores(200);
  cosface_release_workspace();
  const allocation_limit none_above(16 * kib);
  cosface_error error{};
  EXPECT_EQ(cosface_top_k(&problem, &options, 1, indices.data(), scores.data(), nullptr, &error),
            COSFACE_ERROR_OUT_OF_MEMORY);
  EXPECT_STREQ(error.argument, "workspaceBytes");
}

}  // namespace
}  // namespace cosface::test
