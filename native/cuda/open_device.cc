#include "cuda/open_device.h"

#include <map>
#include <utility>

namespace cosface::cuda {
namespace {

struct registry {
  std::mutex mutex;
  std::map<int, std::shared_ptr<open_device>> devices;
};

// Never destroyed: a call may still run while the process leaves main, and the driver may be gone before.
registry& the_registry() {
  static registry* instance = new registry;
  return *instance;
}

}  // namespace

open_device::open_device(const driver& driver, int ordinal) : gpu_(driver, ordinal, embedded_image()) {
  const context_scope scope(gpu_);
  work_.emplace(gpu_);
}

open_device::~open_device() {
  try {
    const context_scope scope(gpu_);
    scratch_ = {};
    work_.reset();
  } catch (const failure&) {
    scratch_.abandon();
    work_->abandon();
  }
}

std::shared_ptr<open_device> use_device(int ordinal) {
  const std::lock_guard lock(the_registry().mutex);
  std::shared_ptr<open_device>& known = the_registry().devices[ordinal];
  if (known == nullptr) try {
      known = std::make_shared<open_device>(open_driver(), ordinal);
    } catch (const failure& reason) {
      // Whatever went wrong, this device cannot be used.
      throw failure(COSFACE_ERROR_DEVICE_UNAVAILABLE, reason.what());
    }
  return known;
}

void release_devices() {
  std::map<int, std::shared_ptr<open_device>> released;
  const std::lock_guard lock(the_registry().mutex);
  std::swap(released, the_registry().devices);
}

std::byte* device_turn::scratch(int64_t bytes) const {
  if (device_.scratch_.bytes() < bytes) {
    // First the old one, so that both need not fit.
    device_.scratch_ = {};
    device_.scratch_ = device_memory(gpu(), bytes);
  }
  return device_.scratch_.data();
}

}  // namespace cosface::cuda
