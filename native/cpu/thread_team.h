// The workers of one call. They live as long as the call: nothing global, nothing to shut down, so
// worker_threads, two loads of the addon and exit in mid-job need no care.
#pragma once

#include <cstdint>

#if !defined(__wasm__)
#include <atomic>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>
#endif

namespace cosface {

#if defined(__wasm__)

// A module in a page has the page's thread alone.
class thread_team {
 public:
  explicit thread_team(int32_t) {}

  template <class function>
  void for_each(int64_t count, const function& task) {
    for (int64_t i = 0; i < count; i++) task(0, i);
  }
};

inline int32_t default_threads() { return 1; }

#else

class thread_team {
 public:
  // The calling thread is worker 0. Where the system refuses a thread, fewer run.
  explicit thread_team(int32_t workers);
  ~thread_team();
  thread_team(const thread_team&) = delete;
  thread_team& operator=(const thread_team&) = delete;

  // Runs task(worker, index) for every index in [0, count), each once, and returns when all are done.
  // Which worker runs which index is open; tasks must not throw.
  void for_each(int64_t count, const std::function<void(int32_t worker, int64_t index)>& task);

 private:
  void work(int32_t worker);
  void drain(int32_t worker);

  std::vector<std::thread> threads_;
  std::mutex mutex_;
  std::condition_variable start_, done_;
  const std::function<void(int32_t, int64_t)>* task_ = nullptr;
  int64_t count_ = 0;
  std::atomic<int64_t> next_{0};
  std::atomic<int64_t> round_{0};  // counts the calls of for_each, and one more to stop
  std::atomic<int32_t> busy_{0};
  std::atomic<bool> stop_{false};
};

// COSFACE_THREADS where set, else one per processor; at least 1. Returns 0 if that variable is not a
// whole number in [1, 1024].
int32_t default_threads();

#endif

}  // namespace cosface
