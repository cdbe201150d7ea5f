// As much of TensorFlow's C API as the op uses, in a shared library that the op finds as it finds the true one. It
// keeps what is registered, and runs a registered kernel on tensors whose memory comes from an allocator of the test's.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "tensorflow/tensorflow_api.h"

#define COSFACE_EXPORT __attribute__((visibility("default")))

namespace cosface::test {

struct fake_allocator {
  // Null: out of memory.
  std::function<void*(size_t bytes)> allocate;
  std::function<void(void* address)> release;
};

struct fake_tensor {
  int type = tensorflow::type_float;
  std::vector<int64_t> shape;
  std::shared_ptr<void> memory;  // of an empty tensor: null

  COSFACE_EXPORT size_t bytes() const;
};

// A tensor of memory that the allocator gives.
COSFACE_EXPORT fake_tensor allocate_tensor(const fake_allocator& allocator, int type,
                                           const std::vector<int64_t>& shape);

struct fake_kernel {
  std::string op, device;
  tensorflow::create_function create;
  tensorflow::compute_function compute;
  tensorflow::delete_function destroy;
  std::vector<std::string> host_memory;
};

struct fake_attributes {
  std::map<std::string, std::string> strings;
  std::map<std::string, int64_t> integers;
};

struct fake_call {
  std::vector<fake_tensor> inputs;
  fake_allocator allocator;  // of outputs and temporaries
  int outputs_that_fit = 100;
  std::function<void(const std::string& event)> on_event = [](const std::string&) {};
};

struct fake_outcome {
  int code = tensorflow::code_ok;
  std::string message;
  std::map<int, fake_tensor> outputs;
};

// Empties the registry.
COSFACE_EXPORT void reset_fake_tensorflow();
COSFACE_EXPORT const std::vector<fake_kernel>& fake_kernels();
// Path of the library, for register_op.
COSFACE_EXPORT std::string fake_tensorflow_path();
// Handles of tensors and statuses that were not given back.
COSFACE_EXPORT int64_t live_handles();

COSFACE_EXPORT fake_outcome run_fake_op(const std::string& op, const std::string& device,
                                        const fake_attributes& attributes, const fake_call& call);

}  // namespace cosface::test
