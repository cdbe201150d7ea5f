// Memory with an address that ends the process when it is followed, and another one for those who know: device memory
// as the host sees it. Linux only.
#pragma once

#include <cstddef>

namespace cosface::test {

class hidden_memory {
 public:
  explicit hidden_memory(size_t bytes);
  ~hidden_memory();
  hidden_memory(const hidden_memory&) = delete;
  hidden_memory& operator=(const hidden_memory&) = delete;

  // Aligned to 64 bytes and to no more, as TensorFlow promises. Never given back.
  void* allocate(size_t bytes);
  bool holds(const void* address) const;
  // The same memory where it can be read and written. Null for null, and for an address that is not hidden.
  void* shown(const void* address) const;

 private:
  size_t bytes_, used_ = 0;
  char* hidden_;
  char* shown_;
};

}  // namespace cosface::test
