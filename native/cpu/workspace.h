// The memory of a call. One buffer is kept between calls, because fresh pages cost a fault each at
// every step; a second concurrent caller gets a buffer of its own, and the larger one is kept.
#pragma once

#include <cstddef>

namespace cosface {

class workspace {
 public:
  // 64-byte aligned; data() is null where memory ran out. Contents are unspecified.
  explicit workspace(size_t bytes);
  ~workspace();
  workspace(const workspace&) = delete;
  workspace& operator=(const workspace&) = delete;

  void* data() const { return data_; }

  // Frees the kept buffer.
  static void release_kept();

 private:
  void* data_;
  size_t bytes_;
};

}  // namespace cosface
