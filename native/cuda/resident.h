// Weights that stay on a device between steps, with their gradient and their velocity.
#pragma once

#include <memory>

#include "cosface/cuda.h"
#include "cuda/open_device.h"

namespace cosface::cuda {

// Thread-safe: the device gives one call after the other its turn. All but the destructor throw failure.
class resident_weights {
 public:
  // `weights` [classes, dim] on the host; null: zeros.
  resident_weights(std::shared_ptr<open_device> device, int64_t classes, int64_t dim, const float* weights);
  ~resident_weights();
  resident_weights(const resident_weights&) = delete;
  resident_weights& operator=(const resident_weights&) = delete;

  void run(const cosface_cuda_call& call, bool gradients);
  void update(const cosface_cuda_sgd& sgd);
  void read(cosface_cuda_part part, int64_t first, int64_t count, float* values);
  void write(cosface_cuda_part part, int64_t first, int64_t count, const float* values);

 private:
  int64_t row_bytes() const { return dim_ * 4; }
  void keep_gradient_room(const device_turn& turn, const cosface_cuda_class_subset* subset, int64_t rows);
  void keep_velocity(const device_turn& turn);
  std::byte* rows_of(const device_turn& turn, cosface_cuda_part part, int64_t first, int64_t count);

  const std::shared_ptr<open_device> device_;
  const int64_t classes_, dim_;
  device_memory weights_, velocity_, gradient_, ids_;
  int64_t gradient_rows_ = 0;  // 0: there is none
  bool gradient_is_of_subset_ = false;
};

}  // namespace cosface::cuda
