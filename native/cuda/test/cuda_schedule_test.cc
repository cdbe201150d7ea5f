// Every kernel, tile and kind of plan in every schedule of the emulator: the same bits. Under ThreadSanitizer, which
// finds races whatever the schedule: one schedule, and shapes of a few blocks, since a CUDA thread there costs half a
// millisecond.
#include <gtest/gtest.h>

#include <cstdlib>
#include <string>

#include "cuda_call.h"
#include "test/problem_family.h"

namespace cosface::cuda::test {
namespace {

using cosface::test::first_difference;
using cosface::test::problem_shape;
using cosface::test::problem_with_everything_on;
using cosface::test::whole_problem;

#if defined(COSFACE_SANITIZE_thread)
const std::vector<std::string> schedules = {"random"};
#else
const std::vector<std::string> schedules = {"forward", "reverse", "random:1", "random:2"};
#endif

void expect_same_bits(const device_call& call) {
  kernel_results expected;
  for (const std::string& schedule : schedules) {
    setenv("COSFACE_EMULATOR_SCHEDULE", schedule.c_str(), 1);
    const kernel_results got = run_on_device(call);
    ASSERT_EQ(got.status, COSFACE_OK) << got.error.message;
    if (schedule == schedules.front())
      expected = got;
    else
      EXPECT_EQ(first_difference(expected, got), "") << schedule;
  }
}

device_call whole_call(const problem_shape& shape, uint64_t seed, int64_t budget) {
  const whole_problem whole = problem_with_everything_on(shape, seed);
  device_call call{whole.data, whole.options};
  call.options.workspace_bytes = budget;
  call.multiprocessors = 2;
  return call;
}

TEST(cuda_schedule, general_path) { expect_same_bits(whole_call({9, 20, 70}, 1, 0)); }

#if !defined(COSFACE_SANITIZE_thread)
TEST(cuda_schedule, general_path_in_chunks) {
  for (const int64_t dim : {2, 70}) expect_same_bits(whole_call({9, 20, dim}, 1, 1));
}

TEST(cuda_schedule, general_path_with_a_shift_per_row) {
  device_call call = whole_call({9, 20, 16}, 2, 0);
  call.options.scale = 1000;
  ASSERT_TRUE(plan_of(call).row_shift);
  expect_same_bits(call);
}

TEST(cuda_schedule, tensor_cores) {
  for (const int64_t dim : {64, 128, 256, 512})
    for (const int64_t shared_bytes : {consumer_shared_bytes, ampere_shared_bytes, hopper_shared_bytes})
      for (const int64_t budget : {int64_t{0}, int64_t{1}}) {
        SCOPED_TRACE(testing::Message() << dim << " " << shared_bytes << " " << budget);
        device_call call = whole_call({33, 130, dim}, 3, budget);
        call.options.precision = COSFACE_PRECISION_BF16;
        call.shared_bytes = shared_bytes;
        // Below 256 there is one tile for all.
        if (dim < 256 && shared_bytes != consumer_shared_bytes) continue;
        ASSERT_NE(plan_of(call).tile, nullptr);
        expect_same_bits(call);
      }
}

#endif

// Two buffers used again, and shifts of rows lowered again and again.
TEST(cuda_schedule, tensor_cores_with_logits_that_rise) {
  constexpr int64_t classes = 190;
  device_call call = whole_call({20, classes, 64}, 4, 1);
  call.multiprocessors = 1;
  call.options.precision = COSFACE_PRECISION_BF16;
  for (int64_t c = 0; c < classes; c++)
    for (int64_t d = 0; d < 64; d++)
      call.data.weight(c)[d] += static_cast<float>(c - classes / 2) * 0.04f * call.data.embedding(c % 20)[d];
  expect_same_bits(call);
}

}  // namespace
}  // namespace cosface::cuda::test
