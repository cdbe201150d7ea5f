// Every classic fault is caught, by what it should be caught by: planted_faults.cc, once per schedule, in the mode that
// this test is built in. Without a fault every schedule in every mode must be silent and right.
#include <gtest/gtest.h>
#include <sys/wait.h>

#include <cstdlib>
#include <string>

namespace cosface::cuda::emulator::test {
namespace {

enum outcome {
  right = 0,
  wrong = 1,
  broken_rule = 42,
  race = 66,
  bad_address = 67,
};

struct planted_fault {
  const char* name;
  // In every schedule.
  outcome plain, address, thread;

  outcome expected() const {
#if defined(COSFACE_SANITIZE_address)
    return address;
#elif defined(COSFACE_SANITIZE_thread)
    return thread;
#else
    return plain;
#endif
  }
};

constexpr planted_fault planted_faults[] = {
    {"none", right, right, right},
    {"no_barrier_before_reuse", wrong, wrong, race},
    {"no_barrier_after_wait", wrong, wrong, race},
    {"wait_too_lax", wrong, wrong, wrong},
    {"no_bound", wrong, bad_address, wrong},
    {"warp_skips_barrier", broken_rule, broken_rule, broken_rule},
    {"lanes_exit_before_shuffle", broken_rule, broken_rule, broken_rule},
    {"copy_left_at_exit", broken_rule, broken_rule, broken_rule},
    // All blocks write the same value.
    {"blocks_write_one_address", right, right, race},
};

int run_program(const std::string& fault, const std::string& schedule) {
  setenv("COSFACE_EMULATOR_SCHEDULE", schedule.c_str(), 1);
  setenv("ASAN_OPTIONS", "exitcode=67", 1);
  setenv("TSAN_OPTIONS", "exitcode=66", 1);
  const int status = std::system((std::string(COSFACE_PLANTED_FAULTS) + " " + fault).c_str());
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

class emulator_faults : public testing::TestWithParam<planted_fault> {};

TEST_P(emulator_faults, caught) {
  for (const char* schedule : {"forward", "reverse", "random:1", "random:2"})
    EXPECT_EQ(run_program(GetParam().name, schedule), GetParam().expected()) << schedule;
}

INSTANTIATE_TEST_SUITE_P(planted, emulator_faults, testing::ValuesIn(planted_faults),
                         [](const auto& info) { return std::string(info.param.name); });

}  // namespace
}  // namespace cosface::cuda::emulator::test
