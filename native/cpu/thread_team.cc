#include "cpu/thread_team.h"

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <cstring>
#include <exception>

#if defined(__x86_64__) || defined(_M_X64)
#include <immintrin.h>
#endif

namespace cosface {
namespace {

void pause_processor() {
#if defined(__x86_64__) || defined(_M_X64)
  _mm_pause();
#elif defined(__aarch64__) && defined(__GNUC__)
  __asm__ volatile("yield");
#endif
}

// Phases follow each other in microseconds, and a sleeping thread takes tens of them to wake. Where there
// are more threads than processors, this is all that a phase can lose.
constexpr int spins = 2000;

template <class condition>
bool spin_until(const condition& holds) {
  for (int k = 0; k < spins; k++) {
    if (holds()) return true;
    pause_processor();
  }
  return false;
}

}  // namespace

thread_team::thread_team(int32_t workers) {
  try {
    threads_.reserve(workers - 1);
    for (int32_t w = 1; w < workers; w++) threads_.emplace_back([this, w] { work(w); });
  } catch (const std::exception&) {
    // Fewer workers give the same bits, only later.
  }
}

thread_team::~thread_team() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
    round_++;
  }
  start_.notify_all();
  for (std::thread& t : threads_) t.join();
}

void thread_team::for_each(int64_t count, const std::function<void(int32_t, int64_t)>& task) {
  if (threads_.empty() || count < 2) {
    for (int64_t i = 0; i < count; i++) task(0, i);
    return;
  }
  {
    const std::lock_guard lock(mutex_);
    task_ = &task;
    count_ = count;
    next_.store(0, std::memory_order_relaxed);
    busy_.store(static_cast<int32_t>(threads_.size()), std::memory_order_relaxed);
    round_++;
  }
  start_.notify_all();
  drain(0);
  const auto done = [this] { return busy_.load(std::memory_order_acquire) == 0; };
  if (spin_until(done)) return;
  std::unique_lock lock(mutex_);
  done_.wait(lock, done);
}

void thread_team::work(int32_t worker) {
  for (int64_t seen = 0;; seen++) {
    const auto started = [&] { return round_.load(std::memory_order_acquire) != seen; };
    if (!spin_until(started)) {
      std::unique_lock lock(mutex_);
      start_.wait(lock, started);
    }
    if (stop_) return;
    drain(worker);
    if (busy_.fetch_sub(1, std::memory_order_acq_rel) > 1) continue;
    // The lock keeps this from falling between the last look and the sleep of who waits.
    const std::lock_guard lock(mutex_);
    done_.notify_one();
  }
}

void thread_team::drain(int32_t worker) {
  for (;;) {
    const int64_t index = next_.fetch_add(1, std::memory_order_relaxed);
    if (index >= count_) return;
    (*task_)(worker, index);
  }
}

int32_t default_threads() {
  static const int32_t processors = std::max(1, static_cast<int32_t>(std::thread::hardware_concurrency()));
  const char* text = std::getenv("COSFACE_THREADS");
  if (text == nullptr || *text == '\0') return processors;
  // strtol would skip blanks and take a sign.
  const char* end = text + std::strlen(text);
  int32_t value = 0;
  const auto [rest, failure] = std::from_chars(text, end, value);
  return failure == std::errc() && rest == end && value >= 1 && value <= 1024 ? value : 0;
}

}  // namespace cosface
