// The tensor-core path against the double reference: every tile, kept and recomputed exponentials, every option and
// every range. Its promise is 1e-3 for the loss and 5e-3 for the gradients at s = 64; it is held to less.
#include <gtest/gtest.h>

#include "cuda_accuracy_group.h"
#include "test/patterned_problem.h"
#include "test/problem_family.h"

namespace cosface::cuda::test {
namespace {

// The promise for the loss, and half of the one for the gradients. Closer cosines than near_tie are a tie: half
// operands move a cosine by 2^-10 at most.
constexpr accuracy_tolerances half_tolerances{
    .loss = 1e-3, .gradients = 2.5e-3, .target_cosine = 1e-6, .near_tie = 1e-3};
// Of a single sample. At D = 64 a logit is off by 64 x 2^-11 x 0.41 sqrt(2 / 64) = 0.0023 rms, and the relative error
// of one confident row's loss is that of its few strongest negatives; over a batch such rows weigh little.
constexpr accuracy_tolerances single_sample{.loss = 7e-3, .gradients = 7e-3, .target_cosine = 1e-6, .near_tie = 1e-3};

struct tile_case {
  int64_t dim, shared_bytes, rows, columns;
};
constexpr tile_case tile_cases[] = {{64, consumer_shared_bytes, 64, 64}, {128, consumer_shared_bytes, 64, 64},
                                    {256, hopper_shared_bytes, 64, 64},  {256, consumer_shared_bytes, 64, 32},
                                    {512, hopper_shared_bytes, 64, 64},  {512, ampere_shared_bytes, 64, 32},
                                    {512, consumer_shared_bytes, 32, 32}};

cosface_margin_softmax_options half_options() {
  cosface_margin_softmax_options options = cos_face_options();
  options.precision = COSFACE_PRECISION_BF16;
  return options;
}

TEST(cuda_tensor, every_tile_kept_and_recomputed) {
  for (const tile_case& t : tile_cases) {
    char name[48];
    std::snprintf(name, sizeof name, "D=%d, %d x %d", static_cast<int>(t.dim), static_cast<int>(t.rows),
                  static_cast<int>(t.columns));
    // On a GPU; the emulated one has all that Hopper has.
    if (t.shared_bytes > shared_device().get().properties().shared_bytes_per_block) {
      std::printf("[ left out ] %s: this device has not the shared memory\n", name);
      continue;
    }
    cuda_accuracy_group group(name, half_tolerances);
    uint64_t seed = 100;
    for (const problem_shape& shape : std::vector<problem_shape>{{70, 300, t.dim}, {33, 65, t.dim}})
      for (const int64_t budget : {int64_t{0}, int64_t{1}}) {
        const whole_problem whole = problem_with_everything_on(shape, seed++);
        device_call call{whole.data, whole.options};
        call.options.precision = COSFACE_PRECISION_BF16;
        call.options.workspace_bytes = budget;
        call.shared_bytes = t.shared_bytes;
        call.multiprocessors = seed % 2 == 0 ? 1 : 6;
        const step_plan plan = plan_of(call);
        ASSERT_TRUE(plan.tile != nullptr && plan.tile->rows == t.rows && plan.tile->columns == t.columns);
        ASSERT_EQ(plan.kept_chunks, budget == 0 ? plan.chunks : 0);
        group.check(call);
      }
  }
}

TEST(cuda_tensor, ragged_batches_and_class_counts) {
  cuda_accuracy_group batches("ragged, D=64", half_tolerances), single("ragged, D=64, N=1", single_sample);
  uint64_t seed = 200;
  for (const int64_t batch : {1, 2, 17, 63, 64, 65, 129})
    for (const int64_t classes : {2, 3, 31, 33, 64, 129}) {
      device_call call{random_problem({batch, classes, 64}, seed++), half_options()};
      call.options.workspace_bytes = seed % 2;
      (batch == 1 ? single : batches).check(call);
    }
}

TEST(cuda_tensor, every_margin) {
  for (const named_options& member : option_family()) {
    cuda_accuracy_group group("half, " + member.name, half_tolerances);
    device_call call{random_problem({65, 127, 128}, 300), member.options};
    call.options.precision = COSFACE_PRECISION_BF16;
    group.check(call);
  }
}

TEST(cuda_tensor, chunks_some_of_them_kept) {
  cuda_accuracy_group group("chunks, some kept", half_tolerances);
  const problem_data data = random_problem({70, 1000, 64}, 400);
  bool mixed = false;
  for (const int64_t budget : {int64_t{1}, int64_t{256} << 10, int64_t{300} << 10})
    for (const int multiprocessors : {1, 7}) {
      device_call call{data, half_options()};
      call.options.workspace_bytes = budget;
      call.multiprocessors = multiprocessors;
      group.check(call);
      const step_plan plan = plan_of(call);
      mixed |= plan.kept_chunks > 0 && plan.kept_chunks < plan.chunks;
      EXPECT_GT(plan.chunks, 1);
    }
  EXPECT_TRUE(mixed);
}

TEST(cuda_tensor, every_scale_and_pattern) {
  for (const pattern p :
       {pattern::random, pattern::all_low, pattern::all_high, pattern::one_hot, pattern::opposed, pattern::mixed}) {
    cuda_accuracy_group group(std::string("half, ") + name_of(p), half_tolerances);
    for (const double scale : {1.0, 64.0, 160.0, 1000.0})
      for (const int64_t classes : {2, 20, 200})
        for (const int64_t budget : {0, 1}) {
          device_call call{patterned_problem({17, classes, 64}, p, 11), half_options()};
          call.options.scale = scale;
          call.options.workspace_bytes = budget;
          group.check(call);
        }
  }
}

// The shift of a row is lowered late, by much, and in another chunk than the one that set it.
TEST(cuda_tensor, logits_that_rise) {
  cuda_accuracy_group group("rising logits", half_tolerances);
  for (const double scale : {64.0, 160.0})
    for (const int64_t budget : {0, 1}) {
      problem_data data = random_problem({20, 500, 64}, 500);
      for (int64_t c = 0; c < 500; c++)
        for (int64_t d = 0; d < 64; d++)
          data.weight(c)[d] += static_cast<float>(c - 250) * 0.02f * data.embedding(c % 20)[d];
      device_call call{data, half_options()};
      call.options.scale = scale;
      call.options.workspace_bytes = budget;
      group.check(call);
    }
}

TEST(cuda_tensor, confident_rows) {
  for (const double scale : {16.0, 64.0}) {
    cuda_accuracy_group group(scale == 16 ? "half, confident s=16" : "half, confident s=64", half_tolerances);
    for (const int64_t classes : {2, 20, 400}) {
      problem_data data = random_problem({13, classes, 64}, 21);
      for (int64_t i = 0; i < 13; i++)
        for (int64_t d = 0; d < 64; d++)
          data.embedding(i)[d] = data.embedding(i)[d] * 0.01f + data.weight(data.labels[i])[d];
      device_call call{data, half_options()};
      call.options.scale = scale;
      group.check(call);
    }
  }
}

TEST(cuda_tensor, zero_rows) {
  cuda_accuracy_group group("half, zero rows", half_tolerances);
  problem_data data = random_problem({20, 130, 64}, 7);
  std::fill_n(data.embedding(3), 64, 0.0f);
  std::fill_n(data.weight(5), 64, 0.0f);
  data.labels[4] = 5;
  group.check({data, half_options()});
}

TEST(cuda_tensor, what_a_training_step_sees) {
  cuda_accuracy_group group("N=64 C=1000 D=512", half_tolerances);
  group.check({random_problem({64, 1000, 512}, 1), half_options()});
}

TEST(cuda_tensor, a_dimension_without_a_tile_takes_the_general_path) {
  const problem_data data = random_problem({9, 20, 96}, 1);
  device_call call{data, half_options()};
  EXPECT_EQ(plan_of(call).tile, nullptr);
  cuda_accuracy_group group("D=96, bf16 permitted");
  group.check(call);
}

// bf16-gradients promises the loss as in fp32.
TEST(cuda_tensor, bf16_gradients_keeps_the_loss_exact) {
  device_call call{random_problem({9, 20, 64}, 1), half_options()};
  call.options.precision = COSFACE_PRECISION_BF16_GRADIENTS;
  cuda_accuracy_group group("bf16-gradients");
  group.check(call);
}

}  // namespace
}  // namespace cosface::cuda::test
