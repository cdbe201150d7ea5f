// One call of an op: its tensors, checked as far as types and shapes go. Nothing here follows a pointer but that of the
// doubles, which lie in host memory on every device; so a call is read alike on a CPU and on a GPU.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "cosface/margin_softmax.h"
#include "tensorflow/op_definition.h"
#include "tensorflow/tensorflow_api.h"

namespace cosface::tensorflow {

class scoped_tensor {
 public:
  static scoped_tensor input(const tensorflow_api& api, TF_OpKernelContext* context, int index);
  static scoped_tensor output(const tensorflow_api& api, TF_OpKernelContext* context, int index, int type,
                              const std::vector<int64_t>& shape);
  // Of the kernel's device, for the time of the call. Needs has_gpu_kernels().
  static scoped_tensor temporary(const tensorflow_api& api, TF_OpKernelContext* context, int64_t bytes);

  // Null where the tensor is empty: TensorFlow's own address is then one of the host, on every device.
  template <typename T>
  T* data() const {
    return empty() ? nullptr : static_cast<T*>(api_->tensor_data(tensor_.get()));
  }
  std::vector<int64_t> shape() const;

 private:
  bool empty() const;

  scoped_tensor(const tensorflow_api& api, TF_Tensor* tensor) : tensor_(tensor, api.delete_tensor), api_(&api) {}

  std::unique_ptr<TF_Tensor, void (*)(TF_Tensor*)> tensor_;
  const tensorflow_api* api_;
};

// Tensors allocated for the results, and where the function is to write.
struct op_outputs {
  std::vector<scoped_tensor> tensors;
  cosface_margin_softmax_results results{};
  float* reduced_loss = nullptr;  // one value, where the loss is reduced
};

class op_call {
 public:
  // Throws failure, as every member does.
  op_call(const tensorflow_api& api, TF_OpKernelContext* context, const call_settings& settings);

  const cosface_margin_softmax_problem& problem() const { return problem_; }
  const cosface_margin_softmax_options& options() const { return options_; }

  op_outputs allocate_forward() const;
  op_outputs allocate_gradients() const;
  scoped_tensor allocate_temporary(int64_t bytes) const { return scoped_tensor::temporary(api_, context_, bytes); }

  // Of the gradient op: [N] where reduction is none, else one value. Lives as long as the call.
  const float* read_loss_gradient();

 private:
  std::vector<int64_t> add_input(int index);
  const float* optional_input(int index, const char* name);
  void read_bias();
  void read_doubles();
  void require_gradient_count() const;
  void require_batch(const char* name, const std::vector<int64_t>& shape) const;
  // Where its values lie.
  float* add_output(op_outputs* outputs, int index, int type, const std::vector<int64_t>& shape) const;
  void add_gradients(op_outputs* outputs, int first) const;

  const tensorflow_api& api_;
  TF_OpKernelContext* context_;
  std::vector<scoped_tensor> inputs_;
  cosface_margin_softmax_problem problem_{};
  cosface_margin_softmax_options options_;
  int64_t gradients_;
};

// Each sample's share of the gradient of `loss_gradient` times a reduced loss, which spares a pass over d_weights.
// Labels and sample weights are those of the host; the latter may be null.
std::vector<float> share_loss_gradient(float loss_gradient, const op_call& call, const int32_t* labels,
                                       const float* sample_weights);

}  // namespace cosface::tensorflow
