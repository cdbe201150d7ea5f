#include "tensorflow/hidden_memory.h"

#include <sys/mman.h>
#include <unistd.h>

#include <new>

namespace cosface::test {
namespace {

char* map(int file, size_t bytes, int protection) {
  void* address = mmap(nullptr, bytes, protection, MAP_SHARED, file, 0);
  if (address == MAP_FAILED) throw std::bad_alloc();
  return static_cast<char*>(address);
}

}  // namespace

hidden_memory::hidden_memory(size_t bytes) : bytes_(bytes) {
  const int file = memfd_create("hidden_memory", 0);
  if (file < 0 || ftruncate(file, static_cast<off_t>(bytes)) != 0) throw std::bad_alloc();
  hidden_ = map(file, bytes, PROT_NONE);
  shown_ = map(file, bytes, PROT_READ | PROT_WRITE);
  close(file);
}

hidden_memory::~hidden_memory() {
  munmap(hidden_, bytes_);
  munmap(shown_, bytes_);
}

void* hidden_memory::allocate(size_t bytes) {
  const size_t start = used_ + 64;
  const size_t end = (start + bytes + 127) / 128 * 128;
  if (end > bytes_) return nullptr;
  used_ = end;
  return hidden_ + start;
}

bool hidden_memory::holds(const void* address) const { return address >= hidden_ && address < hidden_ + bytes_; }

void* hidden_memory::shown(const void* address) const {
  return holds(address) ? shown_ + (static_cast<const char*>(address) - hidden_) : nullptr;
}

}  // namespace cosface::test
