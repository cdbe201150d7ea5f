// Work in the order in which it was queued. It runs when somebody waits for it and not before: a caller that forgets to
// wait finds the outputs unwritten, as it might on a device.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>

namespace cosface::cuda::emulator {

class stream {
 public:
  void add(std::function<void()> work) {
    waiting_.push_back(std::move(work));
    added_++;
  }
  uint64_t added() const { return added_; }
  uint64_t done() const { return done_; }
  // Runs the first `count` of all that was ever added.
  void run_until(uint64_t count) {
    while (done_ < count) {
      const std::function<void()> work = std::move(waiting_.front());
      waiting_.pop_front();
      done_++;
      work();
    }
  }

 private:
  std::deque<std::function<void()>> waiting_;
  uint64_t added_ = 0, done_ = 0;
};

}  // namespace cosface::cuda::emulator
