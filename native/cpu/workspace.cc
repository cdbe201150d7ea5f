#include "cpu/workspace.h"

#include <mutex>
#include <new>
#include <utility>

#include "cosface/margin_softmax.h"

namespace cosface {
namespace {

constexpr std::align_val_t alignment{64};

struct buffer {
  void* data = nullptr;
  size_t bytes = 0;
};

void free_buffer(buffer b) { ::operator delete(b.data, alignment); }

struct keeper {
  std::mutex mutex;
  buffer kept;
};

// Never destroyed: a job may still run while the process leaves main.
keeper& the_keeper() {
  static keeper* instance = new keeper;
  return *instance;
}

buffer take_kept() {
  const std::lock_guard lock(the_keeper().mutex);
  return std::exchange(the_keeper().kept, {});
}

}  // namespace

workspace::workspace(size_t bytes) : data_(nullptr), bytes_(0) {
  buffer taken = take_kept();
  if (taken.bytes < bytes || taken.data == nullptr) {
    free_buffer(taken);
    taken = {::operator new(bytes, alignment, std::nothrow), bytes};
  }
  data_ = taken.data;
  bytes_ = taken.data == nullptr ? 0 : taken.bytes;
}

workspace::~workspace() {
  buffer mine{data_, bytes_};
  {
    const std::lock_guard lock(the_keeper().mutex);
    if (mine.bytes > the_keeper().kept.bytes) std::swap(mine, the_keeper().kept);
  }
  free_buffer(mine);
}

void workspace::release_kept() { free_buffer(take_kept()); }

}  // namespace cosface

extern "C" void cosface_release_workspace(void) { cosface::workspace::release_kept(); }
