// The op's kernel for a GPU, from TensorFlow's callback down to the kernels: over a TensorFlow of the tests' own whose
// tensors lie in the emulated device's memory, and over the CUDA library as the addon opens it.
//
// Inputs are written by a stream like TensorFlow's, which runs late and which nobody hands to the op.
#include <gtest/gtest.h>

#include <cstdint>
#include <cstdlib>
#include <limits>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "cuda/driver.h"
#include "reference/margin_softmax_reference.h"
#include "relative_error.h"
#include "tensorflow/margin_softmax_op.h"
#include "test/tensorflow/fake_tensorflow.h"
#include "test/tensorflow/op_problem.h"

namespace cosface::test {
namespace {

using cuda::describe_result;
using cuda::device_address;
using cuda::driver;

// The device as TensorFlow has it: the primary context, current while a kernel runs, and a stream that does not wait
// for the default one.
class tensorflow_device {
 public:
  tensorflow_device() {
    int number = 0;
    require(driver_.device_get(&number, 0));
    require(driver_.primary_context_retain(&context_, number));
    require(driver_.context_push(context_));
    require(driver_.stream_create(&stream_, cuda::stream_non_blocking));
  }

  op_device access() {
    return {"GPU",
            {[this](size_t bytes) { return allocate(bytes); }, [this](void* memory) { retire(memory); }},
            [this](void* to, const void* from, size_t bytes) {
              require(driver_.copy_to_device(address_of(to), from, bytes, stream_));
            },
            [this](void* to, const void* from, size_t bytes) {
              require(driver_.copy_from_device(to, address_of(from), bytes, stream_));
              require(driver_.stream_synchronize(stream_));
            }};
  }
  void wait() const { require(driver_.context_synchronize()); }
  void free_retired() {
    wait();
    for (void* memory : retired_) require(driver_.free(address_of(memory)));
    retired_.clear();
  }
  // Blocks that are in use.
  int64_t blocks() const { return blocks_; }

 private:
  static device_address address_of(const void* pointer) { return reinterpret_cast<device_address>(pointer); }

  void require(int result) const {
    if (result != cuda::result_ok) throw std::runtime_error(describe_result(driver_, result));
  }

  void* allocate(size_t bytes) {
    device_address address = 0;
    if (driver_.allocate(&address, bytes) != cuda::result_ok) return nullptr;
    ++blocks_;
    return reinterpret_cast<void*>(address);
  }

  // As TensorFlow's pool: without a wait for what is still queued.
  void retire(void* memory) {
    retired_.push_back(memory);
    --blocks_;
  }

  const driver& driver_ = cuda::open_driver();
  CUcontext context_ = nullptr;
  CUstream stream_ = nullptr;
  int64_t blocks_ = 0;
  std::vector<void*> retired_;
};

tensorflow_device& shared_device() {
  static tensorflow_device device;
  return device;
}

class TensorflowOp : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    setenv("COSFACE_CUDA_LIBRARY", COSFACE_TEST_CUDA_LIBRARY, 1);
    reset_fake_tensorflow();
    tensorflow::registration outcome;
    std::string error;
    ASSERT_TRUE(tensorflow::register_op(fake_tensorflow_path(), "", &outcome, &error)) << error;
    ASSERT_EQ(outcome.devices, (std::vector<std::string>{"CPU", "GPU"})) << outcome.gpu_reason;
  }
  void SetUp() override {
    blocks_ = shared_device().blocks();
    handles_ = live_handles();
  }
  void TearDown() override {
    shared_device().free_retired();
    EXPECT_EQ(shared_device().blocks(), blocks_) << "device memory left behind";
    EXPECT_EQ(live_handles(), handles_) << "statuses or tensors left behind";
  }

  const op_device gpu_ = shared_device().access();

 private:
  int64_t blocks_ = 0, handles_ = 0;
};

struct named_problem {
  const char* name;
  problem_data data;
  cosface_margin_softmax_options options;
};

std::vector<named_problem> problems() {
  problem_data full = random_problem({19, 37, 17}, 7);
  add_sample_weights(full, 8);
  add_sample_margins(full, {0, 0.5}, 9);
  add_ignored_labels(full, -1, 10);
  cosface_margin_softmax_options tensor_cores = cos_face_options();
  tensor_cores.precision = COSFACE_PRECISION_BF16;
  tensor_cores.scale = 16;
  return {{"everything there is", full, cos_face_options()},
          {"one feature", random_problem({5, 3, 1}, 2), cos_face_options()},
          {"tensor cores", random_problem({33, 70, 64}, 3), tensor_cores}};
}

// docs/cuda.md, section 1.
constexpr double bf16_loss_tolerance = 1e-3, bf16_gradient_tolerance = 5e-3;

void expect_gradients(const op_results& got, const reference_results& expected, const problem_data& data,
                      const cosface_margin_softmax_options& options) {
  const natural_sizes natural = natural_sizes_of(data, options, expected);
  const double tolerance =
      options.precision == COSFACE_PRECISION_FP32 ? gradient_tolerance(options.scale) : bf16_gradient_tolerance;
  EXPECT_LE(relative_error(got.d_embeddings, expected.d_embeddings, natural.d_embeddings), tolerance);
  EXPECT_LE(relative_error(got.d_weights, expected.d_weights, natural.d_weights), tolerance);
}

const std::pair<cosface_reduction, const char*> reductions[] = {
    {COSFACE_REDUCTION_NONE, "none"}, {COSFACE_REDUCTION_MEAN, "mean"}, {COSFACE_REDUCTION_SUM, "sum"}};

}  // namespace

TEST_F(TensorflowOp, loss_and_gradients_are_those_of_the_reference) {
  for (auto [name, data, options] : problems()) {
    for (const auto& [reduction, word] : reductions) {
      SCOPED_TRACE(std::string(name) + ", " + word);
      options.reduction = reduction;
      const reference_results expected = margin_softmax_reference(widen(data.view()), options);
      const op_results got = run_forward_op(gpu_, call_of(gpu_, data, options), options, true);
      ASSERT_EQ(got.code, tensorflow::code_ok) << got.message;
      const std::vector<double> loss =
          reduction == COSFACE_REDUCTION_NONE ? expected.loss : std::vector<double>{expected.reduced_loss};
      const bool exact = options.precision == COSFACE_PRECISION_FP32;
      EXPECT_LE(relative_error(got.loss, loss, 0), exact ? loss_tolerance(options.scale) : bf16_loss_tolerance);
      EXPECT_LE(relative_error(got.target_cosine, expected.target_cosine, 1), 1e-6);
      if (exact) {
        EXPECT_EQ(got.prediction, expected.prediction);
      }
      expect_gradients(got, expected, data, options);
    }
  }
}

TEST_F(TensorflowOp, the_loss_alone) {
  const problem_data data = random_problem({19, 37, 17}, 7);
  const cosface_margin_softmax_options options = cos_face_options();
  const op_results got = run_forward_op(gpu_, call_of(gpu_, data, options), options, false);
  ASSERT_EQ(got.code, tensorflow::code_ok) << got.message;
  const reference_results expected = margin_softmax_reference(widen(data.view()), options);
  EXPECT_LE(relative_error(got.loss, {expected.reduced_loss}, 0), loss_tolerance(options.scale));
  EXPECT_TRUE(got.d_weights.empty());
}

TEST_F(TensorflowOp, the_gradient_op_scales_by_what_comes_from_above) {
  for (auto [name, data, options] : problems()) {
    for (const auto& [reduction, word] : reductions) {
      SCOPED_TRACE(std::string(name) + ", " + word);
      options.reduction = reduction;
      std::vector<float> above(reduction == COSFACE_REDUCTION_NONE ? data.labels.size() : 1, -2.5f);
      const op_results got = run_gradient_op(gpu_, call_of(gpu_, data, options), options, above);
      ASSERT_EQ(got.code, tensorflow::code_ok) << got.message;
      reference_results expected = margin_softmax_reference(widen(data.view()), options);
      for (auto* gradient : {&expected.d_embeddings, &expected.d_weights}) {
        for (double& value : *gradient) value *= -2.5;
      }
      expect_gradients(got, expected, data, options);
    }
  }
}

TEST_F(TensorflowOp, no_samples) {
  const problem_data data = random_problem({0, 3, 4}, 1);
  cosface_margin_softmax_options options = cos_face_options();
  const op_results forward = run_forward_op(gpu_, call_of(gpu_, data, options), options, true);
  ASSERT_EQ(forward.code, tensorflow::code_ok) << forward.message;
  EXPECT_EQ(forward.loss, std::vector<float>{0});
  EXPECT_EQ(forward.d_weights, std::vector<float>(12, 0));
  const op_results gradient = run_gradient_op(gpu_, call_of(gpu_, data, options), options, {1});
  ASSERT_EQ(gradient.code, tensorflow::code_ok) << gradient.message;
  EXPECT_EQ(gradient.d_weights, std::vector<float>(12, 0));
}

TEST_F(TensorflowOp, wrong_values_are_told_with_argument_and_index) {
  problem_data data = random_problem({19, 37, 17}, 7);
  const cosface_margin_softmax_options options = cos_face_options();
  data.labels[4] = 37;
  const op_results label = run_forward_op(gpu_, call_of(gpu_, data, options), options, true);
  EXPECT_EQ(label.code, tensorflow::code_invalid_argument);
  EXPECT_TRUE(label.message.starts_with("COSFACE_LABEL_RANGE: labels[4] is 37")) << label.message;
  EXPECT_TRUE(label.message.ends_with("{labels 4}")) << label.message;
  data.labels[4] = 0;
  data.weights[40] = std::numeric_limits<float>::infinity();
  const op_results weight = run_forward_op(gpu_, call_of(gpu_, data, options), options, true);
  EXPECT_TRUE(weight.message.starts_with("COSFACE_NOT_FINITE: weights[2, 6]")) << weight.message;
  EXPECT_TRUE(weight.message.ends_with("{weights 40}")) << weight.message;
}

TEST_F(TensorflowOp, a_driver_that_fails_is_an_error_and_the_next_call_is_right) {
  const problem_data data = random_problem({19, 37, 17}, 7);
  const cosface_margin_softmax_options options = cos_face_options();
  const op_results expected = run_forward_op(gpu_, call_of(gpu_, data, options), options, true);
  ASSERT_EQ(expected.code, tensorflow::code_ok) << expected.message;
  for (const char* function :
       {"cuPointerGetAttribute", "cuCtxSynchronize", "cuLaunchKernel", "cuStreamSynchronize", "cuMemcpyHtoDAsync_v2"}) {
    SCOPED_TRACE(function);
    const fake_call call = call_of(gpu_, data, options);
    // 2: CUDA_ERROR_OUT_OF_MEMORY, after which a context can still be used.
    setenv("COSFACE_EMULATOR_FAIL", (std::string(function) + ":2@1").c_str(), 1);
    const op_results failed = run_forward_op(gpu_, call, options, true);
    unsetenv("COSFACE_EMULATOR_FAIL");
    EXPECT_NE(failed.code, tensorflow::code_ok);
    EXPECT_TRUE(failed.message.starts_with("COSFACE_")) << failed.message;
    const op_results again = run_forward_op(gpu_, call_of(gpu_, data, options), options, true);
    EXPECT_EQ(again.code, tensorflow::code_ok) << again.message;
    EXPECT_EQ(again.loss, expected.loss);
    EXPECT_EQ(again.d_weights, expected.d_weights);
  }
}

// TensorFlow gives the memory of a failed call to others, without a wait.
TEST_F(TensorflowOp, a_call_that_failed_writes_nothing_afterwards) {
  const problem_data data = random_problem({19, 37, 17}, 7);
  const cosface_margin_softmax_options options = cos_face_options();
  const fake_call call = call_of(gpu_, data, options);
  setenv("COSFACE_EMULATOR_FAIL", "cuStreamSynchronize:2@1", 1);
  const fake_outcome failed = run_fake_op("CosfaceMarginSoftmaxV2", gpu_.type, attributes_of(options, 2), call);
  unsetenv("COSFACE_EMULATOR_FAIL");
  ASSERT_NE(failed.code, tensorflow::code_ok);
  const fake_tensor& d_weights = failed.outputs.at(4);
  const std::vector<float> others(d_weights.bytes() / sizeof(float), 7);
  gpu_.copy_in(d_weights.memory.get(), others.data(), d_weights.bytes());
  EXPECT_EQ(values_of<float>(gpu_, d_weights), others);
  shared_device().wait();
  EXPECT_EQ(values_of<float>(gpu_, d_weights), others);
}

}  // namespace cosface::test
