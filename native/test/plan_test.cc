// The memory promise: the workspace keeps to its budget, the plan says exactly what is allocated, and
// a call of full size, measured from outside, takes no more.
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <fstream>
#include <functional>
#include <memory>
#include <string>

#include "allocation_counter.h"
#include "cpu/workspace.h"
#include "kernel_call.h"

namespace cosface::test {
namespace {

constexpr int64_t kib = 1024, mib = 1024 * kib;
constexpr int64_t budgets[] = {0, 1, 10 * kib, 100 * kib, mib, 3 * mib, 16 * mib, 64 * mib, 1024 * mib, INT64_MAX};
// Heap that is no workspace: thread objects, their shared states, task closures.
constexpr int64_t small_change = 64 * kib;

cosface_margin_softmax_problem shape_only(const problem_shape& shape) {
  cosface_margin_softmax_problem problem{};
  problem.batch = shape.batch;
  problem.classes = shape.classes;
  problem.dim = shape.dim;
  return problem;
}

cosface_margin_softmax_plan plan_of(const problem_shape& shape, const cosface_margin_softmax_options& options,
                                    bool gradients) {
  const cosface_margin_softmax_problem problem = shape_only(shape);
  cosface_margin_softmax_plan plan{};
  cosface_error error{};
  EXPECT_EQ(cosface_margin_softmax_make_plan(&problem, &options, gradients, &plan, &error), COSFACE_OK)
      << error.message;
  return plan;
}

struct planned_call {
  problem_shape shape;
  cosface_margin_softmax_options options;
  bool gradients;
};

// What changes where memory goes besides the shape: row shifts, the width of operands, the filter's list.
struct call_kind {
  double scale;
  cosface_precision precision;
  double gradient_tolerance;

  void apply(cosface_margin_softmax_options& options) const {
    options.scale = scale;
    options.precision = precision;
    options.gradient_tolerance = gradient_tolerance;
  }
};

constexpr call_kind call_kinds[] = {
    {64, COSFACE_PRECISION_FP32, 0},
    {160, COSFACE_PRECISION_BF16, 0},
    {64, COSFACE_PRECISION_BF16_GRADIENTS, 1e-3},
};

std::ostream& operator<<(std::ostream& out, const call_kind& kind) {
  return out << "s=" << kind.scale << " precision " << kind.precision << " tolerance " << kind.gradient_tolerance;
}

// Calls `visit` over shapes, kinds, ISAs, and gradients on and off.
void for_each_call(const std::function<void(const planned_call&)>& visit) {
  for (const int64_t batch : {0, 1, 7, 64, 512, 5000})
    for (const int64_t classes : {1, 2, 100, 10575, 1000000})
      for (const int64_t dim : {1, 3, 128, 512, 4096})
        for (const call_kind& kind : call_kinds)
          for (const cosface_isa isa : supported_isas())
            for (const bool gradients : {false, true}) {
              cosface_margin_softmax_options options = cos_face_options();
              kind.apply(options);
              options.isa = isa;
              const problem_shape shape{batch, classes, dim};
              SCOPED_TRACE(testing::Message() << shape << " " << kind << " " << cosface_isa_name(isa)
                                              << (gradients ? " gradients" : " loss"));
              visit({shape, options, gradients});
            }
}

TEST(plan, keeps_to_the_budget_from_the_least_plan_on) {
  for_each_call([](const planned_call& call) {
    cosface_margin_softmax_options options = call.options;
    options.workspace_bytes = 0;
    options.threads = 1;
    const int64_t least = plan_of(call.shape, options, call.gradients).workspace_bytes;
    EXPECT_GT(least, 0);
    for (const int32_t threads : {1, 8})
      for (const int64_t budget : budgets)
        for (const int64_t bytes : {budget, least, least + 1}) {
          options.threads = threads;
          options.workspace_bytes = bytes;
          const int64_t planned = plan_of(call.shape, options, call.gradients).workspace_bytes;
          EXPECT_LE(planned, std::max(bytes, least)) << "budget " << bytes << " threads " << threads;
        }
  });
}

TEST(plan, does_not_depend_on_the_number_of_threads) {
  for_each_call([](const planned_call& call) {
    for (const int64_t budget : budgets) {
      cosface_margin_softmax_options options = call.options;
      options.workspace_bytes = budget;
      options.threads = 1;
      const cosface_margin_softmax_plan one = plan_of(call.shape, options, call.gradients);
      EXPECT_EQ(one.threads, 1);
      for (const int32_t threads : {2, 3, 8, 1024}) {
        options.threads = threads;
        cosface_margin_softmax_plan many = plan_of(call.shape, options, call.gradients);
        EXPECT_GE(many.threads, 1);
        EXPECT_LE(many.threads, threads);
        // Each worker has scratch of its own.
        many.threads = one.threads;
        many.workspace_bytes = one.workspace_bytes;
        EXPECT_EQ(std::memcmp(&one, &many, sizeof one), 0) << "budget " << budget << " threads " << threads;
      }
    }
  });
}

TEST(plan, more_memory_never_means_more_work) {
  for_each_call([](const planned_call& call) {
    int32_t keep = 0;
    int64_t rows = 0;
    for (const int64_t budget : budgets) {
      cosface_margin_softmax_options options = call.options;
      options.workspace_bytes = budget;
      const cosface_margin_softmax_plan plan = plan_of(call.shape, options, call.gradients);
      EXPECT_GE(plan.keep, keep) << "budget " << budget;
      if (plan.keep == keep) {
        EXPECT_GE(plan.row_block, rows) << "budget " << budget;
      }
      keep = plan.keep;
      rows = plan.row_block;
    }
  });
}

TEST(plan, default_budget_keeps_the_exponentials_of_a_training_step) {
  const cosface_margin_softmax_plan plan = plan_of({512, 100000, 512}, cos_face_options(), true);
  EXPECT_EQ(plan.keep, 1);
  EXPECT_GE(plan.row_block, 64);
  EXPECT_LE(plan.workspace_bytes, 64 * mib);
}

TEST(plan, largest_dimensions_do_not_overflow) {
  constexpr int64_t most = INT32_MAX, widest = 1 << 24;
  for (const problem_shape& shape : std::vector<problem_shape>{
           {most, most, widest}, {most, most, 1}, {1, most, widest}, {most, 1, widest}, {most, 1, 1}, {512, most, 512}})
    for (const cosface_isa isa : supported_isas())
      for (const bool gradients : {false, true})
        for (const int64_t budget : budgets) {
          SCOPED_TRACE(testing::Message() << shape << " budget " << budget);
          cosface_margin_softmax_options options = cos_face_options();
          options.isa = isa;
          options.workspace_bytes = budget;
          options.threads = 1024;
          const cosface_margin_softmax_plan plan = plan_of(shape, options, gradients);
          options.workspace_bytes = 0;
          const int64_t least = plan_of(shape, options, gradients).workspace_bytes;
          EXPECT_GT(least, 0);
          EXPECT_GT(plan.workspace_bytes, 0);
          EXPECT_LE(plan.workspace_bytes, std::max(budget, least));
          EXPECT_GT(plan.row_block, 0);
          EXPECT_GT(plan.row_group, 0);
          EXPECT_GT(plan.class_slab, 0);
          EXPECT_GT(plan.class_block, 0);
        }
}

void expect_the_plan_is_allocated(const problem_data& data, const cosface_margin_softmax_options& options,
                                  bool gradients) {
  const cosface_margin_softmax_plan plan = plan_of(data.shape, options, gradients);
  // Outputs first, so that only the call itself is counted.
  const cosface_margin_softmax_problem problem = data.view();
  std::vector<float> dx(data.embeddings.size()), dw(data.weights.size()), loss(data.labels.size());
  cosface_margin_softmax_results results{};
  results.loss = loss.data();
  if (gradients) results.d_embeddings = dx.data(), results.d_weights = dw.data();
  cosface_release_workspace();
  const int64_t before = allocations().live_bytes;
  reset_peak();
  cosface_error error;
  ASSERT_EQ(cosface_margin_softmax(&problem, &options, &results, &error), COSFACE_OK) << error.message;
  EXPECT_EQ(allocations().largest_bytes, plan.workspace_bytes);
  EXPECT_LE(allocations().peak_bytes - before, plan.workspace_bytes + small_change);
  cosface_release_workspace();
  EXPECT_LE(allocations().live_bytes - before, small_change / 64) << "left behind";
}

TEST(memory, the_plan_says_what_is_allocated) {
  const problem_data data = random_problem({200, 600, 48}, 1);
  for (const call_kind& kind : call_kinds)
    for (const cosface_isa isa : supported_isas())
      for (const int64_t budget : {int64_t{0}, 100 * kib, mib, 64 * mib})
        for (const int32_t threads : {1, 3})
          for (const bool gradients : {false, true}) {
            SCOPED_TRACE(testing::Message() << kind << " " << cosface_isa_name(isa) << " budget " << budget);
            cosface_margin_softmax_options options = cos_face_options();
            kind.apply(options);
            options.isa = isa;
            options.workspace_bytes = budget;
            options.threads = threads;
            expect_the_plan_is_allocated(data, options, gradients);
          }
}

TEST(memory, the_workspace_is_kept_and_reused) {
  const problem_data large = random_problem({200, 600, 48}, 1), small = random_problem({20, 60, 48}, 2);
  cosface_release_workspace();
  run_kernel(large, cos_face_options());
  const int64_t kept = allocations().live_bytes;
  for (const problem_data* data : {&large, &small, &large}) {
    const cosface_margin_softmax_problem problem = data->view();
    std::vector<float> dx(data->embeddings.size()), dw(data->weights.size());
    cosface_margin_softmax_results results{};
    results.d_embeddings = dx.data();
    results.d_weights = dw.data();
    const cosface_margin_softmax_options options = cos_face_options();
    reset_peak();
    ASSERT_EQ(cosface_margin_softmax(&problem, &options, &results, nullptr), COSFACE_OK);
    EXPECT_LT(allocations().largest_bytes, small_change) << "allocated anew";
  }
  EXPECT_LE(allocations().live_bytes, kept + kib);
  cosface_release_workspace();
  EXPECT_LT(allocations().live_bytes, kept - mib / 2) << "release gives it back";
}

TEST(memory, of_two_callers_at_once_the_larger_workspace_is_kept) {
  cosface_release_workspace();
  const int64_t before = allocations().live_bytes;
  for (const bool larger_ends_first : {false, true}) {
    auto first = std::make_unique<workspace>(larger_ends_first ? 2 * mib : mib);
    auto second = std::make_unique<workspace>(larger_ends_first ? mib : 2 * mib);
    EXPECT_NE(first->data(), second->data());
    EXPECT_EQ(reinterpret_cast<uintptr_t>(first->data()) % 64, 0u);
    first.reset();
    second.reset();
    EXPECT_GE(allocations().live_bytes - before, 2 * mib);
    EXPECT_LT(allocations().live_bytes - before, 2 * mib + 16 * kib) << "the smaller one is freed";
  }
  cosface_release_workspace();
  EXPECT_LT(allocations().live_bytes - before, kib);
}

TEST(memory, a_thousand_calls_take_no_more_than_one) {
  const problem_data data = random_problem({20, 60, 16}, 3);
  cosface_margin_softmax_options options = cos_face_options();
  options.threads = 2;
  run_kernel(data, options);
  const int64_t before = allocations().live_bytes;
  for (int k = 0; k < 1000; k++) ASSERT_EQ(run_kernel(data, options).status, COSFACE_OK);
  EXPECT_EQ(allocations().live_bytes, before);
}

TEST(memory, running_out_is_an_error_and_not_the_end) {
  const problem_data data = random_problem({200, 600, 48}, 4);
  const cosface_margin_softmax_options options = cos_face_options();
  const kernel_results before = run_kernel(data, options);
  cosface_release_workspace();
  {
    const allocation_limit none_above(300 * kib);
    const kernel_results got = run_kernel(data, options);
    EXPECT_EQ(got.status, COSFACE_ERROR_OUT_OF_MEMORY);
    EXPECT_STREQ(got.error.argument, "workspaceBytes");
    EXPECT_EQ(got.error.index, -1);
    EXPECT_NE(std::string(got.error.message).find("Lower workspaceBytes"), std::string::npos) << got.error.message;
  }
  EXPECT_EQ(first_difference(before, run_kernel(data, options)), "");
}

#if COSFACE_SANITIZE_none

int64_t process_status_bytes(const std::string& field) {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);)
    if (line.rfind(field + ":", 0) == 0) return std::stoll(line.substr(field.size() + 1)) * kib;
  return -1;
}

struct measured_call {
  cosface_status status;
  int64_t extra_bytes;  // VmHWM after the call less VmRSS before it, inputs and outputs resident
};

measured_call measure_here(const problem_shape& shape, const cosface_margin_softmax_options& options) {
  // The pages of the code itself become resident here.
  run_kernel(random_problem({40, 40, 40}, 1), options);
  cosface_release_workspace();
  seeded_random random(1);
  const auto filled = [&](int64_t count) {
    std::vector<float> values(count);
    for (float& v : values) v = static_cast<float>(random.uniform(-1, 1));
    return values;
  };
  problem_data data;
  data.shape = shape;
  data.embeddings = filled(shape.batch * shape.dim);
  data.weights = filled(shape.classes * shape.dim);
  for (int64_t i = 0; i < shape.batch; i++) data.labels.push_back(static_cast<int32_t>(random.below(shape.classes)));
  std::vector<float> dx(data.embeddings.size(), 1.0f), dw(data.weights.size(), 1.0f);
  cosface_margin_softmax_results results{};
  results.d_embeddings = dx.data();
  results.d_weights = dw.data();
  const cosface_margin_softmax_problem problem = data.view();
  const int64_t before = process_status_bytes("VmRSS");
  const cosface_status status = cosface_margin_softmax(&problem, &options, &results, nullptr);
  return {status, process_status_bytes("VmHWM") - before};
}

// In a process of its own: a high-water mark only ever rises.
measured_call measure(const problem_shape& shape, const cosface_margin_softmax_options& options) {
  int ends[2];
  if (pipe(ends) != 0) return {COSFACE_ERROR_UNSUPPORTED, -1};
  const pid_t child = fork();
  if (child == 0) {
    const measured_call result = measure_here(shape, options);
    const bool sent = write(ends[1], &result, sizeof result) == sizeof result;
    _exit(sent ? 0 : 1);
  }
  close(ends[1]);
  measured_call result{COSFACE_ERROR_UNSUPPORTED, -1};
  EXPECT_EQ(read(ends[0], &result, sizeof result), static_cast<ssize_t>(sizeof result));
  close(ends[0]);
  waitpid(child, nullptr, 0);
  return result;
}

// Beside the workspace: the stack of a thread (a few pages touched) and its heap.
constexpr int64_t process_change = mib;

TEST(memory, a_full_training_step_within_64_mib_as_the_system_sees_it) {
  const problem_shape shape{512, 100000, 512};
  cosface_margin_softmax_options options = cos_face_options();
  options.threads = 2;
  const measured_call got = measure(shape, options);
  ASSERT_EQ(got.status, COSFACE_OK);
  std::printf("[  memory  ] N=512 C=100000 D=512: %.1f MiB beyond inputs and outputs, plan %.1f MiB\n",
              double(got.extra_bytes) / double(mib),
              double(plan_of(shape, options, true).workspace_bytes) / double(mib));
  EXPECT_LE(got.extra_bytes, 64 * mib);
  // The measurement sees the workspace at all.
  EXPECT_GE(got.extra_bytes, plan_of(shape, options, true).workspace_bytes / 2);
}

TEST(memory, small_budgets_as_the_system_sees_them) {
  const problem_shape shape{512, 10000, 128};
  for (const int64_t budget : {int64_t{0}, mib, 4 * mib, 16 * mib}) {
    cosface_margin_softmax_options options = cos_face_options();
    options.threads = 2;
    options.workspace_bytes = budget;
    const measured_call got = measure(shape, options);
    ASSERT_EQ(got.status, COSFACE_OK);
    const int64_t planned = plan_of(shape, options, true).workspace_bytes;
    std::printf("[  memory  ] N=512 C=10000 D=128 budget %.1f MiB: %.2f MiB beyond inputs and outputs, plan %.2f MiB\n",
                double(budget) / double(mib), double(got.extra_bytes) / double(mib), double(planned) / double(mib));
    EXPECT_LE(got.extra_bytes, planned + process_change);
  }
}

#endif  // AddressSanitizer's shadow and quarantine would be measured instead

}  // namespace
}  // namespace cosface::test
