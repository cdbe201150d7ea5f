// A CUDA driver that runs nothing: memory is the host's, kernels do nothing. It counts what is held, notices misuse,
// and fails where it is told to.
#pragma once

#include <atomic>
#include <cstdint>
#include <string>

namespace cosface::cuda::test {

struct __attribute__((visibility("default"))) fake_driver {
  // What it pretends to be.
  int version = 13000;
  int devices = 1;
  int capability = 90;
  int64_t memory_bytes = int64_t{1} << 30;

  // Call number `fail_at` (from 1) returns `fail_with`, and so does every call of `fail_name`. What gives something
  // back gives it back all the same.
  int fail_at = 0;
  std::string fail_name;
  int fail_with = 0;

  std::atomic<int> calls = 0;
  std::atomic<int> failed = 0;
  // Of the call that failed last: its name, and whether it is one that nobody has to hear of, because it gives back
  // what is over or only completes the words of another error.
  std::string last_failure;
  bool last_failure_gives_back = false;
  std::atomic<int64_t> contexts = 0, modules = 0, streams = 0, allocations = 0, bytes = 0;
  // Calls that a driver would have refused or that would have crashed: no context, a pointer that is not the device's.
  std::atomic<int> misuses = 0;

  // Fails no more, and forgets what is held: a process of its own, as it were.
  void start();
  bool holds_nothing() const { return contexts == 0 && modules == 0 && streams == 0 && allocations == 0 && bytes == 0; }
};

// The one of this process.
__attribute__((visibility("default"))) fake_driver& the_fake_driver();

}  // namespace cosface::cuda::test
