// The memory of a call as its phases see it: what all share, then an equal part for each worker.
#pragma once

#include <cstdint>

namespace cosface {

class workspace_view {
 public:
  // The first worker's part begins at `workers`; offsets are those of a layout (plan.h, search_plan.h).
  workspace_view(void* memory, int64_t workers, int64_t worker_bytes)
      : memory_(static_cast<char*>(memory)), workers_(workers), worker_bytes_(worker_bytes) {}

  template <class type>
  type* at(int64_t offset) const {
    return reinterpret_cast<type*>(memory_ + offset);
  }
  template <class type>
  type* of_worker(int32_t worker, int64_t offset) const {
    return at<type>(workers_ + worker * worker_bytes_ + offset);
  }

 private:
  char* memory_;
  int64_t workers_, worker_bytes_;
};

}  // namespace cosface
