// The emulated device's memory: blocks of the process's own memory that only kernels and copies can reach.
//
// Between drivers' calls a block is closed: the host that follows a device pointer ends with SIGSEGV, under
// AddressSanitizer with a report. Blocks have exactly the size asked for, as AddressSanitizer sees it, and start as
// 0xff.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>

namespace cosface::cuda::emulator {

class device_memory_pool {
 public:
  // 0 where more than `limit` bytes would be in use.
  uintptr_t allocate(size_t bytes, size_t limit, int device);
  bool free(uintptr_t address);  // false: not the start of a block
  void free_all(int device);

  size_t bytes_in_use(int device) const;
  // -1: not in a block.
  int device_of(uintptr_t address) const;
  bool holds(uintptr_t address, size_t bytes) const;  // all in one block
  bool touches(uintptr_t address, size_t bytes) const;

  void open();
  void close();

 private:
  struct block {
    size_t bytes;
    int device;
  };
  std::map<uintptr_t, block> blocks_;
};

}  // namespace cosface::cuda::emulator
