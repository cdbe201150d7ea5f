#include "allocation_counter.h"

#include <malloc.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <new>

namespace cosface::test {
namespace {

std::atomic<int64_t> live{0}, peak{0}, largest{0}, limit{INT64_MAX};

void raise_to(std::atomic<int64_t>& most, int64_t value) {
  int64_t seen = most.load();
  while (value > seen && !most.compare_exchange_weak(seen, value)) {
  }
}

void* allocate(size_t bytes, size_t alignment) {
  const int64_t wanted = static_cast<int64_t>(bytes);
  if (wanted < 0 || wanted > limit) return nullptr;
  void* data = nullptr;
  if (posix_memalign(&data, std::max(alignment, sizeof(void*)), std::max<size_t>(bytes, 1)) != 0) return nullptr;
  raise_to(largest, wanted);
  raise_to(peak, live += static_cast<int64_t>(malloc_usable_size(data)));
  return data;
}

void* allocate_or_throw(size_t bytes, size_t alignment) {
  void* data = allocate(bytes, alignment);
  if (data == nullptr) throw std::bad_alloc();
  return data;
}

void release(void* data) {
  if (data == nullptr) return;
  live -= static_cast<int64_t>(malloc_usable_size(data));
  std::free(data);
}

constexpr size_t usual = __STDCPP_DEFAULT_NEW_ALIGNMENT__;

}  // namespace

allocation_count allocations() { return {live, peak, largest}; }

void reset_peak() {
  peak = live.load();
  largest = 0;
}

allocation_limit::allocation_limit(int64_t bytes) { limit = bytes; }
allocation_limit::~allocation_limit() { limit = INT64_MAX; }

}  // namespace cosface::test

using namespace cosface::test;

void* operator new(size_t n) { return allocate_or_throw(n, usual); }
void* operator new[](size_t n) { return allocate_or_throw(n, usual); }
void* operator new(size_t n, std::align_val_t a) { return allocate_or_throw(n, static_cast<size_t>(a)); }
void* operator new[](size_t n, std::align_val_t a) { return allocate_or_throw(n, static_cast<size_t>(a)); }
void* operator new(size_t n, const std::nothrow_t&) noexcept { return allocate(n, usual); }
void* operator new[](size_t n, const std::nothrow_t&) noexcept { return allocate(n, usual); }
void* operator new(size_t n, std::align_val_t a, const std::nothrow_t&) noexcept {
  return allocate(n, static_cast<size_t>(a));
}
void* operator new[](size_t n, std::align_val_t a, const std::nothrow_t&) noexcept {
  return allocate(n, static_cast<size_t>(a));
}
void operator delete(void* p) noexcept { release(p); }
void operator delete[](void* p) noexcept { release(p); }
void operator delete(void* p, size_t) noexcept { release(p); }
void operator delete[](void* p, size_t) noexcept { release(p); }
void operator delete(void* p, std::align_val_t) noexcept { release(p); }
void operator delete[](void* p, std::align_val_t) noexcept { release(p); }
void operator delete(void* p, size_t, std::align_val_t) noexcept { release(p); }
void operator delete[](void* p, size_t, std::align_val_t) noexcept { release(p); }
