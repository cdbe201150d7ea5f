// What the emulated driver pretends, from the environment (README.md). Read at every call, so that a test may change
// it.
#pragma once

#include <cstdint>
#include <string>

namespace cosface::cuda::emulator {

// COSFACE_EMULATOR_DEVICE, "name=value,..." of these; the defaults are an H100's limits with few multiprocessors.
struct pretended_device {
  int64_t count = 1;
  std::string name = "Emulated GPU";
  int64_t capability = 90;  // 10 major + minor
  int64_t shared_kib = 227;
  int64_t multiprocessors = 4;
  int64_t memory_mib = 4096;
  int64_t driver = 13000;  // 1000 major + 10 minor
};

pretended_device read_pretended_device();

// What this call of `function` is to return according to COSFACE_EMULATOR_FAIL, "function:result,function:result@2": at
// every call, or at the second alone. 0: nothing is injected. Calls are counted anew when the variable changes.
int injected_failure(const std::string& function);

// Changes when COSFACE_EMULATOR_FAIL does.
uint64_t generation_of_failures();

}  // namespace cosface::cuda::emulator
