// The devices that this process has opened, and what is kept on them between calls.
#pragma once

#include <memory>
#include <mutex>
#include <optional>

#include "cuda/device.h"

namespace cosface::cuda {

// A GPU with a stream, and memory that grows to what the largest call so far has needed: allocating is slow, and waits
// for the device. Calls on one device go one after the other, each behind a device_turn.
class open_device {
 public:
  open_device(const driver& driver, int ordinal);
  ~open_device();

  const device& gpu() const { return gpu_; }

 private:
  friend class device_turn;

  device gpu_;
  std::mutex mutex_;
  // These need the context, so the destructor ends them by hand.
  std::optional<queue> work_;
  device_memory scratch_;
};

// The device of this ordinal, opened if it is not. Throws failure (COSFACE_ERROR_DEVICE_UNAVAILABLE).
std::shared_ptr<open_device> use_device(int ordinal);

// Forgets every device: each closes with the last of its users, at once where there is none.
void release_devices();

// The right to use a device, and its context on this thread, while it lives.
class device_turn {
 public:
  explicit device_turn(open_device& device) : device_(device), lock_(device.mutex_), scope_(device.gpu_) {}

  const device& gpu() const { return device_.gpu_; }
  queue& work() const { return *device_.work_; }
  // At least so many bytes, aligned to 256, until the turn ends; a second call invalidates what the first gave. Throws
  // failure (COSFACE_ERROR_OUT_OF_MEMORY).
  std::byte* scratch(int64_t bytes) const;

 private:
  open_device& device_;
  const std::lock_guard<std::mutex> lock_;
  const context_scope scope_;
};

}  // namespace cosface::cuda
