// An array against an unmapped page. It also catches what AddressSanitizer cannot see: masked loads
// and other instructions that the compiler emits for intrinsics without checking them.
#pragma once

#include <sys/mman.h>
#include <unistd.h>

#include <cstring>
#include <stdexcept>
#include <vector>

namespace cosface::test {

enum class edge {
  start,
  end
};

template <typename T>
class guarded_array {
 public:
  guarded_array(const std::vector<T>& values, edge side) : count_(values.size()) {
    const size_t page = static_cast<size_t>(sysconf(_SC_PAGESIZE)), bytes = count_ * sizeof(T);
    const size_t inner = (bytes + page - 1) / page * page;
    mapped_ = inner + 2 * page;
    base_ = static_cast<char*>(mmap(nullptr, mapped_, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    if (base_ == MAP_FAILED || mprotect(base_ + page, inner, PROT_READ | PROT_WRITE) != 0)
      throw std::runtime_error("no memory for a guarded array");
    data_ = reinterpret_cast<T*>(side == edge::start ? base_ + page : base_ + page + inner - bytes);
    std::memcpy(data_, values.data(), bytes);
  }
  ~guarded_array() { munmap(base_, mapped_); }
  guarded_array(const guarded_array&) = delete;
  guarded_array& operator=(const guarded_array&) = delete;

  T* data() const { return data_; }
  std::vector<T> copy() const { return {data_, data_ + count_}; }

 private:
  size_t count_, mapped_;
  char* base_;
  T* data_;
};

}  // namespace cosface::test
