// The same bits run after run, and whichever of the threads goes on where several could. The emulated driver reads the
// schedule at every launch.
#include <gtest/gtest.h>
#include <stdlib.h>

#include "cuda_call.h"
#include "test/problem_family.h"

namespace cosface::cuda::test {
namespace {

std::vector<device_call> calls_of_every_kind() {
  std::vector<device_call> calls;
  for (const cosface_precision precision : {COSFACE_PRECISION_FP32, COSFACE_PRECISION_BF16})
    for (const int64_t budget : {int64_t{0}, int64_t{1}})
      for (const double scale : {64.0, 160.0}) {
        const auto whole = cosface::test::problem_with_everything_on({70, 200, 64}, 5);
        device_call call{whole.data, whole.options};
        call.options.precision = precision;
        call.options.workspace_bytes = budget;
        call.options.scale = scale;
        calls.push_back(call);
      }
  return calls;
}

TEST(cuda_determinism, same_bits_whatever_the_schedule) {
  for (const device_call& call : calls_of_every_kind()) {
    setenv("COSFACE_EMULATOR_SCHEDULE", "forward", 1);
    const kernel_results expected = run_on_device(call);
    ASSERT_EQ(expected.status, COSFACE_OK) << expected.error.message;
    for (const char* schedule : {"forward", "reverse", "random:1", "random:2", "random:3"}) {
      setenv("COSFACE_EMULATOR_SCHEDULE", schedule, 1);
      EXPECT_EQ(cosface::test::first_difference(expected, run_on_device(call)), "") << schedule;
    }
  }
}

}  // namespace
}  // namespace cosface::cuda::test
