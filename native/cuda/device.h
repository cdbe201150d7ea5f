// An opened GPU, its memory, and the order of work on it.
//
// The primary context is retained, shared with every other user of the GPU in this process (TensorFlow, PyTorch), and
// released, never reset. Driver calls need it to be current on the calling thread: whoever uses a queue or device
// memory holds a context_scope. Pointers to device memory are ordinary pointers that the host must not follow.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>

#include "cuda/driver.h"
#include "cuda/failure.h"
#include "cuda/image.h"
#include "cuda/kernel_list.h"

namespace cosface::cuda {

#define COSFACE_KERNEL_NAME(name, params) name,
enum class kernel : int {
  COSFACE_CUDA_KERNELS(COSFACE_KERNEL_NAME)
};
#undef COSFACE_KERNEL_NAME

#define COSFACE_KERNEL_COUNT(name, params) +1
inline constexpr int kernel_count = COSFACE_CUDA_KERNELS(COSFACE_KERNEL_COUNT);
#undef COSFACE_KERNEL_COUNT

// "cosface_NAME", as the image has it.
const char* kernel_symbol(kernel which);

struct device_properties {
  int ordinal;
  std::string name;
  int capability;  // 10 major + minor: 90
  int multiprocessors;
  int64_t shared_bytes_per_block;  // the most that a block may ask for
  int64_t shared_bytes_per_multiprocessor;
  int64_t l2_bytes;
  int64_t memory_bytes;
};

// 0 where nothing is there. Throws failure where the driver cannot say.
int count_devices(const driver& driver);
device_properties read_properties(const driver& driver, int ordinal);

class device {
 public:
  // Retains the primary context, loads the image and finds every kernel. Throws failure; nothing is then left behind.
  device(const driver& driver, int ordinal, const device_image& image);
  ~device();
  device(const device&) = delete;
  device& operator=(const device&) = delete;

  const driver& api() const { return driver_; }
  const device_properties& properties() const { return properties_; }
  CUcontext context() const { return context_; }
  CUfunction function(kernel which) const { return functions_[static_cast<int>(which)]; }

  // Throws failure unless `result` is 0: COSFACE_ERROR_OUT_OF_MEMORY or COSFACE_ERROR_DEVICE_FAILED. `doing` completes
  // "while ...": "launching cosface_normalise".
  void check(int result, const std::string& doing) const;
  // Device memory that is free now, as the driver counts it. Needs the context.
  int64_t free_bytes() const;

 private:
  void load(const device_image& image);
  [[noreturn]] void refuse_image(const device_image& image, int result) const;
  void find_function(kernel which);
  void close();

  const driver& driver_;
  device_properties properties_;
  device_number number_ = 0;
  CUcontext context_ = nullptr;
  CUmodule module_ = nullptr;
  std::array<CUfunction, kernel_count> functions_{};
};

// Makes the device's context current on this thread while it lives.
class context_scope {
 public:
  explicit context_scope(const device& device);
  ~context_scope();
  context_scope(const context_scope&) = delete;
  context_scope& operator=(const context_scope&) = delete;

 private:
  const device& device_;
};

// Memory of the device, aligned to 256 bytes as cuMemAlloc does; not cleared.
class device_memory {
 public:
  device_memory() = default;
  // No memory where `bytes` is 0. Throws failure (COSFACE_ERROR_OUT_OF_MEMORY).
  device_memory(const device& device, int64_t bytes);
  ~device_memory();
  device_memory(device_memory&& other) noexcept;
  device_memory& operator=(device_memory&& other) noexcept;

  // Where the context is gone, and the memory with it.
  void abandon() { data_ = nullptr; }

  std::byte* data() const { return data_; }
  int64_t bytes() const { return bytes_; }
  template <typename T>
  T* as() const {
    return reinterpret_cast<T*>(data_);
  }

 private:
  const device* device_ = nullptr;
  std::byte* data_ = nullptr;
  int64_t bytes_ = 0;
};

struct launch_shape {
  unsigned grid_x = 1, grid_y = 1, grid_z = 1;
  unsigned block = 1;         // threads, along x
  unsigned shared_bytes = 0;  // dynamic
};

// Work on one stream: each call is queued behind the ones before it. All of them throw failure.
class queue {
 public:
  // A stream of its own, which does not wait for the default stream.
  explicit queue(const device& device);
  // Work is queued on a stream that belongs to somebody else.
  queue(const device& device, CUstream borrowed) : device_(device), stream_(borrowed), owned_(false) {}
  ~queue();
  queue(const queue&) = delete;
  queue& operator=(const queue&) = delete;

  // Where the context is gone, and the stream with it.
  void abandon() { owned_ = false; }

  const cuda::device& device() const { return device_; }
  CUstream stream() const { return stream_; }

  // `params` is the kernel's struct; it is copied before this returns. A grid with an empty axis is no work.
  void launch(kernel which, const launch_shape& shape, const void* params);
  // Host memory may be pageable: it is read before copy_to_device returns, and holds what copy_from_device was asked
  // for once synchronize has returned.
  void copy_to_device(void* to, const void* from, int64_t bytes);
  void copy_from_device(void* to, const void* from, int64_t bytes);
  void copy_on_device(void* to, const void* from, int64_t bytes);
  // Zeros.
  void clear(void* to, int64_t bytes);
  void fill_bytes(void* to, unsigned char value, int64_t bytes);
  // Waits for all that was queued; throws what went wrong in it.
  void synchronize();

 private:
  const cuda::device& device_;
  CUstream stream_ = nullptr;
  bool owned_ = true;
};

}  // namespace cosface::cuda
