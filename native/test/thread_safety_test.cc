// Several threads call at once, each with threads of its own; meant for ThreadSanitizer, which finds
// a race even where the result came out right.
#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "kernel_call.h"

namespace cosface::test {
namespace {

cosface_margin_softmax_options two_threads(int64_t budget) {
  cosface_margin_softmax_options options = cos_face_options();
  options.threads = 2;
  options.workspace_bytes = budget;
  return options;
}

struct caller_case {
  problem_shape shape;
  int64_t budget;
};

const std::vector<caller_case> caller_cases = {{{64, 500, 64}, int64_t{64} << 20},
                                               {{300, 200, 40}, 0},
                                               {{5, 3000, 150}, int64_t{2} << 20},
                                               {{127, 165, 129}, 4 << 20}};

TEST(thread_safety, callers_at_once) {
  std::vector<int> failures(caller_cases.size());
  std::vector<std::thread> callers;
  for (size_t k = 0; k < caller_cases.size(); k++)
    callers.emplace_back([k, &failures] {
      const problem_data data = random_problem(caller_cases[k].shape, k);
      const cosface_margin_softmax_options options = two_threads(caller_cases[k].budget);
      const kernel_results first = run_kernel(data, options);
      failures[k] += first.status != COSFACE_OK;
      for (int repeat = 0; repeat < 10; repeat++)
        failures[k] += !first_difference(first, run_kernel(data, options)).empty();
    });
  for (std::thread& t : callers) t.join();
  for (const int count : failures) EXPECT_EQ(count, 0);
}

TEST(thread_safety, the_cases_run_on_two_threads) {
  for (const caller_case& c : caller_cases) {
    const problem_data data = random_problem(c.shape, 1);
    const cosface_margin_softmax_problem problem = data.view();
    // A budget below the least plan's need leaves one worker; the other cases must have two.
    if (c.budget == 0) continue;
    cosface_margin_softmax_plan plan{};
    const cosface_margin_softmax_options options = two_threads(c.budget);
    ASSERT_EQ(cosface_margin_softmax_make_plan(&problem, &options, 1, &plan, nullptr), COSFACE_OK);
    EXPECT_EQ(plan.threads, 2) << c.shape;
  }
}

TEST(thread_safety, releasing_the_workspace_during_runs) {
  std::atomic<bool> done{false};
  std::thread releaser([&] {
    while (!done) {
      cosface_release_workspace();
      std::this_thread::yield();
    }
  });
  std::vector<int> failures(2);
  std::vector<std::thread> callers;
  for (size_t k = 0; k < failures.size(); k++)
    callers.emplace_back([k, &failures] {
      const problem_data data = random_problem(caller_cases[k].shape, k);
      const cosface_margin_softmax_options options = two_threads(caller_cases[k].budget);
      const kernel_results first = run_kernel(data, options);
      for (int repeat = 0; repeat < 20; repeat++)
        failures[k] += !first_difference(first, run_kernel(data, options)).empty();
    });
  for (std::thread& t : callers) t.join();
  done = true;
  releaser.join();
  for (const int count : failures) EXPECT_EQ(count, 0);
}

TEST(thread_safety, errors_and_queries_at_once) {
  std::vector<int> failures(4);
  std::vector<std::thread> callers;
  for (size_t k = 0; k < failures.size(); k++)
    callers.emplace_back([k, &failures] {
      problem_data data = random_problem({10, 20, 8}, k);
      cosface_margin_softmax_options options = two_threads(1 << 20);
      for (int repeat = 0; repeat < 50; repeat++) {
        data.labels[3] = 20;
        const kernel_results bad = run_kernel(data, options);
        failures[k] += bad.status != COSFACE_ERROR_LABEL_RANGE || bad.error.index != 3;
        data.labels[3] = 0;
        failures[k] += run_kernel(data, options).status != COSFACE_OK;
        cosface_isa isa;
        failures[k] += cosface_best_isa(&isa, nullptr) != COSFACE_OK || !cosface_isa_supported(isa);
      }
    });
  for (std::thread& t : callers) t.join();
  for (const int count : failures) EXPECT_EQ(count, 0);
}

}  // namespace
}  // namespace cosface::test
