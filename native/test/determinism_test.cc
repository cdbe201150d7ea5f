// The same bits on any number of threads, run after run and beside other callers, for every plan.
#include <gtest/gtest.h>

#include <thread>

#include "kernel_call.h"

namespace cosface::test {
namespace {

struct planned_case {
  std::string name;
  problem_shape shape;
  double scale;
  int64_t budget;
};

std::vector<planned_case> planned_cases() {
  constexpr int64_t mib = int64_t{1} << 20;
  return {{"kept", {96, 700, 48}, 64, 64 * mib},
          {"kept in row blocks", {300, 900, 32}, 64, mib},
          {"recomputed", {96, 700, 48}, 64, 0},
          {"recomputed in row blocks", {700, 90, 16}, 64, 100},
          {"row shift, kept", {96, 700, 48}, 160, 64 * mib},
          {"row shift, recomputed", {96, 700, 48}, 1000, 0},
          {"few rows", {3, 4000, 64}, 64, 64 * mib},
          {"few classes", {900, 3, 64}, 64, 64 * mib},
          {"ragged", {127, 513, 65}, 64, 64 * mib}};
}

cosface_margin_softmax_options options_of(const planned_case& c, cosface_isa isa, int32_t threads) {
  cosface_margin_softmax_options options = cos_face_options();
  options.scale = c.scale;
  options.workspace_bytes = c.budget;
  options.isa = isa;
  options.threads = threads;
  return options;
}

problem_data data_of(const planned_case& c) {
  problem_data data = random_problem(c.shape, 17);
  add_sample_weights(data, 18);
  add_ignored_labels(data, -1, 19);
  return data;
}

cosface_margin_softmax_plan plan_of(const problem_data& data, const cosface_margin_softmax_options& options) {
  cosface_margin_softmax_plan plan{};
  cosface_error error;
  const cosface_margin_softmax_problem problem = data.view();
  EXPECT_EQ(cosface_margin_softmax_make_plan(&problem, &options, 1, &plan, &error), COSFACE_OK) << error.message;
  return plan;
}

// Without this the other tests could compare one plan, or one thread, with itself.
TEST(determinism, the_cases_cover_every_kind_of_plan) {
  for (const cosface_isa isa : supported_isas()) {
    bool kept = false, recomputed = false, kept_shifted = false, recomputed_shifted = false;
    bool kept_blocks = false, recomputed_blocks = false, many_threads = false;
    for (const planned_case& c : planned_cases()) {
      const cosface_margin_softmax_plan plan = plan_of(data_of(c), options_of(c, isa, 8));
      (plan.row_shift ? (plan.keep ? kept_shifted : recomputed_shifted) : (plan.keep ? kept : recomputed)) = true;
      if (plan.row_block < c.shape.batch) (plan.keep ? kept_blocks : recomputed_blocks) = true;
      if (plan.threads >= 3) many_threads = true;
    }
    EXPECT_TRUE(kept && recomputed && kept_shifted && recomputed_shifted && kept_blocks && recomputed_blocks &&
                many_threads)
        << cosface_isa_name(isa) << " kept " << kept << " recomputed " << recomputed << " shifted " << kept_shifted
        << recomputed_shifted << " blocks " << kept_blocks << recomputed_blocks << " threads " << many_threads;
  }
}

TEST(determinism, any_number_of_threads) {
  for (const cosface_isa isa : supported_isas())
    for (const planned_case& c : planned_cases()) {
      const problem_data data = data_of(c);
      const kernel_results one = run_kernel(data, options_of(c, isa, 1));
      ASSERT_EQ(one.status, COSFACE_OK) << one.error.message;
      for (const int32_t threads : {2, 3, 8})
        for (int repeat = 0; repeat < 2; repeat++)
          EXPECT_EQ(first_difference(one, run_kernel(data, options_of(c, isa, threads))), "")
              << cosface_isa_name(isa) << " " << c.name << " threads " << threads;
    }
}

TEST(determinism, run_after_run) {
  for (const cosface_isa isa : supported_isas())
    for (const planned_case& c : planned_cases()) {
      const problem_data data = data_of(c);
      const kernel_results first = run_kernel(data, options_of(c, isa, 2));
      // A workspace full of another problem's leavings, a fresh one, and a smaller problem's in between.
      run_kernel(random_problem({400, 300, 20}, 99), options_of(c, isa, 2));
      EXPECT_EQ(first_difference(first, run_kernel(data, options_of(c, isa, 2))), "") << c.name;
      cosface_release_workspace();
      EXPECT_EQ(first_difference(first, run_kernel(data, options_of(c, isa, 2))), "") << c.name;
      run_kernel(random_problem({2, 3, 4}, 98), options_of(c, isa, 2));
      EXPECT_EQ(first_difference(first, run_kernel(data, options_of(c, isa, 2))), "") << c.name;
    }
}

TEST(determinism, beside_other_callers) {
  for (const cosface_isa isa : supported_isas()) {
    const std::vector<planned_case> cases = planned_cases();
    std::vector<problem_data> data;
    std::vector<kernel_results> alone;
    for (const planned_case& c : cases) {
      data.push_back(data_of(c));
      alone.push_back(run_kernel(data.back(), options_of(c, isa, 1)));
    }
    std::vector<std::string> differences(4);
    std::vector<std::thread> callers;
    for (size_t caller = 0; caller < 4; caller++)
      callers.emplace_back([&, caller] {
        for (size_t k = 0; k < cases.size(); k++) {
          const size_t which = (k + 2 * caller) % cases.size();
          const std::string difference =
              first_difference(alone[which], run_kernel(data[which], options_of(cases[which], isa, 2)));
          if (!difference.empty()) differences[caller] += cases[which].name + ": " + difference + "; ";
        }
      });
    for (std::thread& t : callers) t.join();
    for (const std::string& difference : differences) EXPECT_EQ(difference, "");
  }
}

}  // namespace
}  // namespace cosface::test
