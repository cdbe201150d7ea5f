#include "cuda/emulator/memory.h"

#include <cstdlib>
#include <cstring>

#if defined(COSFACE_SANITIZE_address)
#include <sanitizer/asan_interface.h>
#else
#include <sys/mman.h>
#endif

namespace cosface::cuda::emulator {
namespace {

#if defined(COSFACE_SANITIZE_address)

// What cuMemAlloc promises.
constexpr size_t alignment = 256;

void* acquire_block(size_t bytes) {
  void* block = nullptr;
  return posix_memalign(&block, alignment, bytes) == 0 ? block : nullptr;
}
void release_block(void* block, size_t) { std::free(block); }
void open_block(void* block, size_t bytes) { ASAN_UNPOISON_MEMORY_REGION(block, bytes); }
void close_block(void* block, size_t bytes) { ASAN_POISON_MEMORY_REGION(block, bytes); }

#else

// Whole pages, since only those can be closed.
void* acquire_block(size_t bytes) {
  void* block = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  return block == MAP_FAILED ? nullptr : block;
}
void release_block(void* block, size_t bytes) { munmap(block, bytes); }
void open_block(void* block, size_t bytes) {
  if (mprotect(block, bytes, PROT_READ | PROT_WRITE) != 0) std::abort();
}
void close_block(void* block, size_t bytes) {
  if (mprotect(block, bytes, PROT_NONE) != 0) std::abort();
}

#endif

void* pointer_to(uintptr_t address) { return reinterpret_cast<void*>(address); }

}  // namespace

uintptr_t device_memory_pool::allocate(size_t bytes, size_t limit, int device) {
  const size_t used = bytes_in_use(device);
  if (used > limit || bytes > limit - used) return 0;
  void* block = acquire_block(bytes);
  if (block == nullptr) return 0;
  std::memset(block, 0xff, bytes);
  close_block(block, bytes);
  blocks_[reinterpret_cast<uintptr_t>(block)] = {bytes, device};
  return reinterpret_cast<uintptr_t>(block);
}

bool device_memory_pool::free(uintptr_t address) {
  const auto found = blocks_.find(address);
  if (found == blocks_.end()) return false;
  release_block(pointer_to(address), found->second.bytes);
  blocks_.erase(found);
  return true;
}

void device_memory_pool::free_all(int device) {
  for (auto at = blocks_.begin(); at != blocks_.end();) {
    const auto next = std::next(at);
    if (at->second.device == device) free(at->first);
    at = next;
  }
}

size_t device_memory_pool::bytes_in_use(int device) const {
  size_t sum = 0;
  for (const auto& [address, block] : blocks_)
    if (block.device == device) sum += block.bytes;
  return sum;
}

int device_memory_pool::device_of(uintptr_t address) const {
  for (const auto& [start, block] : blocks_)
    if (address >= start && address < start + block.bytes) return block.device;
  return -1;
}

bool device_memory_pool::holds(uintptr_t address, size_t bytes) const {
  for (const auto& [start, block] : blocks_)
    if (address >= start && address - start <= block.bytes && bytes <= block.bytes - (address - start)) return true;
  return false;
}

bool device_memory_pool::touches(uintptr_t address, size_t bytes) const {
  for (const auto& [start, block] : blocks_)
    if (address < start + block.bytes && start < address + bytes) return true;
  return false;
}

void device_memory_pool::open() {
  for (const auto& [address, block] : blocks_) open_block(pointer_to(address), block.bytes);
}

void device_memory_pool::close() {
  for (const auto& [address, block] : blocks_) close_block(pointer_to(address), block.bytes);
}

}  // namespace cosface::cuda::emulator
