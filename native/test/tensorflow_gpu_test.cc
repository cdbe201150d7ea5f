// The op's kernel for a GPU, over a CUDA library of the test's own (tensorflow/fake_cuda_library.h): registration,
// which pointers are handed over, the order of what is done, and every error.
#include <gtest/gtest.h>

#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include "problem_data.h"
#include "tensorflow/fake_cuda_library.h"
#include "tensorflow/fake_tensorflow.h"
#include "tensorflow/margin_softmax_op.h"
#include "tensorflow/op_problem.h"

namespace cosface::test {
namespace {

using names = std::vector<std::string>;

void expect_equal(const op_results& got, const op_results& expected) {
  EXPECT_EQ(got.code, expected.code);
  EXPECT_EQ(got.message, expected.message);
  EXPECT_EQ(got.loss, expected.loss);
  EXPECT_EQ(got.target_cosine, expected.target_cosine);
  EXPECT_EQ(got.prediction, expected.prediction);
  EXPECT_EQ(got.d_embeddings, expected.d_embeddings);
  EXPECT_EQ(got.d_weights, expected.d_weights);
}

class TensorflowGpu : public testing::Test {
 protected:
  void SetUp() override {
    use_fake_cuda(&cuda_);
    use_library(fake_cuda_library_path());
    reset_fake_tensorflow();
    handles_ = live_handles();
  }
  void TearDown() override {
    EXPECT_EQ(cuda_.complaints, names{});
    EXPECT_EQ(live_handles(), handles_) << "statuses or tensors left behind";
  }

  static void use_library(const std::string& path) { setenv("COSFACE_CUDA_LIBRARY", path.c_str(), 1); }

  static tensorflow::registration register_op(bool gpu) {
    tensorflow::registration outcome;
    std::string error;
    const std::string without_gpu = gpu ? "" : "not wanted by the test.";
    EXPECT_TRUE(tensorflow::register_op(fake_tensorflow_path(), without_gpu, &outcome, &error)) << error;
    return outcome;
  }

  op_device fake_gpu() {
    return {"GPU",
            {[this](size_t bytes) { return cuda_.memory.allocate(bytes); }, [](void*) {}},
            [this](void* to, const void* from, size_t bytes) { std::memcpy(cuda_.memory.shown(to), from, bytes); },
            [this](void* to, const void* from, size_t bytes) { std::memcpy(to, cuda_.memory.shown(from), bytes); }};
  }

  fake_call gpu_call(const problem_data& data, const cosface_margin_softmax_options& options) {
    fake_call call = call_of(fake_gpu(), data, options);
    call.on_event = [this](const std::string& event) { cuda_.events.push_back(event); };
    return call;
  }

  fake_cuda cuda_;
  int64_t handles_ = 0;
};

problem_data full_problem() {
  problem_data data = random_problem({19, 37, 17}, 7);
  add_sample_weights(data, 8);
  add_sample_margins(data, {0, 0.5}, 9);
  add_ignored_labels(data, -1, 10);
  return data;
}

}  // namespace

TEST_F(TensorflowGpu, registers_both_devices_once) {
  const tensorflow::registration first = register_op(true);
  EXPECT_TRUE(first.new_op);
  EXPECT_EQ(first.devices, (names{"CPU", "GPU"}));
  EXPECT_EQ(first.gpu_reason, "");
  const tensorflow::registration second = register_op(true);
  EXPECT_FALSE(second.new_op);
  EXPECT_EQ(second.devices, first.devices);
  ASSERT_EQ(fake_kernels().size(), 4u);
  for (const fake_kernel& kernel : fake_kernels()) {
    EXPECT_EQ(kernel.host_memory, kernel.device == "GPU" ? names{"doubles"} : names{}) << kernel.op;
  }
}

TEST_F(TensorflowGpu, is_not_registered_where_nobody_asks_or_none_is_there_and_says_why) {
  EXPECT_EQ(register_op(false).devices, names{"CPU"});
  EXPECT_EQ(register_op(false).gpu_reason, "not wanted by the test.");
  use_library("/nowhere/cosface_cuda.node");
  EXPECT_EQ(register_op(true).devices, names{"CPU"});
  EXPECT_TRUE(register_op(true).gpu_reason.starts_with("there is no CUDA library: /nowhere/cosface_cuda.node"));
  use_library(fake_cuda_library_path());
  cuda_.score = 0;
  EXPECT_EQ(register_op(true).devices, names{"CPU"});
  EXPECT_EQ(register_op(true).gpu_reason, "no device for the test.");
  cuda_.score = 1;
  // A driver that came later.
  EXPECT_EQ(register_op(true).devices, (names{"CPU", "GPU"}));
}

TEST_F(TensorflowGpu, works_on_the_tensors_own_memory_after_all_of_it_is_allocated) {
  register_op(true);
  const problem_data data = full_problem();
  const cosface_margin_softmax_options options = cos_face_options();
  const fake_call call = gpu_call(data, options);
  run_forward_op(fake_gpu(), call, options, true);
  EXPECT_EQ(cuda_.events, (names{"output 0", "output 1", "output 2", "output 3", "output 4", "device_of",
                                 "needed_workspace", "temporary", "margin_softmax_on_device", "copy_to_device"}));
  EXPECT_EQ(cuda_.problem.embeddings, call.inputs[0].memory.get());
  EXPECT_EQ(cuda_.problem.weights, call.inputs[1].memory.get());
  EXPECT_EQ(cuda_.problem.labels, call.inputs[2].memory.get());
  EXPECT_EQ(cuda_.problem.sample_weights, call.inputs[3].memory.get());
  EXPECT_EQ(cuda_.problem.sample_m3, call.inputs[6].memory.get());
  EXPECT_EQ(cuda_.options.scale, options.scale);
  EXPECT_EQ(cuda_.options.m3, options.m3);
}

TEST_F(TensorflowGpu, forward_gives_what_the_cpu_kernel_gives) {
  register_op(true);
  for (const cosface_reduction reduction : {COSFACE_REDUCTION_NONE, COSFACE_REDUCTION_MEAN, COSFACE_REDUCTION_SUM}) {
    for (const bool gradients : {false, true}) {
      for (const problem_data& data : {full_problem(), random_problem({5, 3, 1}, 2), random_problem({0, 3, 4}, 1)}) {
        SCOPED_TRACE(testing::Message() << data.shape << " reduction " << reduction << " gradients " << gradients);
        cosface_margin_softmax_options options = cos_face_options();
        options.reduction = reduction;
        const op_results expected =
            run_forward_op(host_device(), call_of(host_device(), data, options), options, gradients);
        EXPECT_EQ(expected.code, tensorflow::code_ok) << expected.message;
        expect_equal(run_forward_op(fake_gpu(), gpu_call(data, options), options, gradients), expected);
      }
    }
  }
}

TEST_F(TensorflowGpu, gradient_gives_what_the_cpu_kernel_gives) {
  register_op(true);
  for (const cosface_reduction reduction : {COSFACE_REDUCTION_NONE, COSFACE_REDUCTION_MEAN, COSFACE_REDUCTION_SUM}) {
    for (const problem_data& data : {full_problem(), random_problem({5, 3, 1}, 2), random_problem({0, 3, 4}, 1)}) {
      SCOPED_TRACE(testing::Message() << data.shape << " reduction " << reduction);
      cosface_margin_softmax_options options = cos_face_options();
      options.reduction = reduction;
      const bool per_sample = reduction == COSFACE_REDUCTION_NONE;
      const std::vector<float> gradient(per_sample ? data.labels.size() : 1, -2.5f);
      const op_results expected =
          run_gradient_op(host_device(), call_of(host_device(), data, options), options, gradient);
      EXPECT_EQ(expected.code, tensorflow::code_ok) << expected.message;
      expect_equal(run_gradient_op(fake_gpu(), gpu_call(data, options), options, gradient), expected);
    }
  }
}

TEST_F(TensorflowGpu, every_failure_of_the_library_is_told_with_its_kind_and_nothing_is_left_behind) {
  register_op(true);
  const problem_data data = full_problem();
  const cosface_margin_softmax_options options = cos_face_options();
  const struct {
    cosface_status status;
    int code;
    const char* name;
  } kinds[] = {{COSFACE_ERROR_DEVICE_FAILED, tensorflow::code_internal, "COSFACE_DEVICE_FAILED"},
               {COSFACE_ERROR_DEVICE_UNAVAILABLE, tensorflow::code_unavailable, "COSFACE_DEVICE_UNAVAILABLE"},
               {COSFACE_ERROR_OUT_OF_MEMORY, tensorflow::code_resource_exhausted, "COSFACE_OUT_OF_MEMORY"},
               {COSFACE_ERROR_UNSUPPORTED, tensorflow::code_unimplemented, "COSFACE_UNSUPPORTED"}};
  for (const auto& [status, code, name] : kinds) {
    for (const char* function :
         {"device_of", "needed_workspace", "margin_softmax_on_device", "copy_to_device", "copy_from_device"}) {
      SCOPED_TRACE(std::string(name) + " of " + function);
      cuda_.failing = function;
      cuda_.failure = status;
      const bool forward = cuda_.failing != "copy_from_device";
      const op_results results = forward ? run_forward_op(fake_gpu(), gpu_call(data, options), options, true)
                                         : run_gradient_op(fake_gpu(), gpu_call(data, options), options, {1});
      EXPECT_EQ(results.code, code);
      EXPECT_EQ(results.message, std::string(name) + ": failed for the test {device}");
    }
  }
  cuda_.failing = "";
  EXPECT_EQ(run_forward_op(fake_gpu(), gpu_call(data, options), options, true).code, tensorflow::code_ok);
}

TEST_F(TensorflowGpu, memory_that_tensorflow_does_not_give_is_an_error) {
  register_op(true);
  const problem_data data = full_problem();
  const cosface_margin_softmax_options options = cos_face_options();
  for (int outputs = 0; outputs <= 5; ++outputs) {
    SCOPED_TRACE(outputs);
    fake_call call = gpu_call(data, options);
    if (outputs < 5) {
      call.outputs_that_fit = outputs;
    } else {
      // The outputs fit, the workspace does not.
      call.allocator.allocate = [this](size_t bytes) {
        return bytes >= 1000 + 256 ? nullptr : cuda_.memory.allocate(bytes);
      };
    }
    problem_data small = random_problem({2, 3, 4}, 1);
    if (outputs == 5) call.inputs = gpu_call(small, options).inputs;
    const op_results results = run_forward_op(fake_gpu(), call, options, true);
    EXPECT_EQ(results.code, tensorflow::code_resource_exhausted);
    EXPECT_EQ(results.message, "COSFACE_OUT_OF_MEMORY: OOM when allocating tensor {}");
  }
}

TEST_F(TensorflowGpu, what_the_library_finds_wrong_in_the_values_comes_with_argument_and_index) {
  register_op(true);
  problem_data data = full_problem();
  data.labels[4] = 37;
  const cosface_margin_softmax_options options = cos_face_options();
  const op_results results = run_forward_op(fake_gpu(), gpu_call(data, options), options, false);
  EXPECT_EQ(results.code, tensorflow::code_invalid_argument);
  EXPECT_TRUE(results.message.starts_with("COSFACE_LABEL_RANGE: labels[4] is 37")) << results.message;
  EXPECT_TRUE(results.message.ends_with("{labels 4}")) << results.message;
}

TEST_F(TensorflowGpu, weights_without_rows_are_refused_as_on_the_cpu) {
  register_op(true);
  problem_data data = random_problem({2, 3, 4}, 1);
  data.shape.classes = 0;
  data.weights.clear();
  const cosface_margin_softmax_options options = cos_face_options();
  const op_results expected = run_forward_op(host_device(), call_of(host_device(), data, options), options, true);
  EXPECT_EQ(expected.code, tensorflow::code_invalid_argument);
  cuda_.ordinal = 0;  // no pointer tells
  expect_equal(run_forward_op(fake_gpu(), gpu_call(data, options), options, true), expected);
}

}  // namespace cosface::test
