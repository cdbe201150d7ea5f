// The CUDA library over a driver that fails: every call of it in turn, and every reason why a GPU cannot be used.
#include <gtest/gtest.h>

#include <cstdlib>
#include <string>
#include <thread>
#include <vector>

#include "cosface/cuda.h"
#include "cuda/device.h"
#include "cuda/fake_driver.h"
#include "problem_data.h"

namespace cosface::test {
namespace {

using cuda::test::fake_driver;
using cuda::test::the_fake_driver;

const cosface_cuda_library& library() { return *cosface_cuda_library_v1(); }

class cuda_loader_test : public ::testing::Test {
 protected:
  void SetUp() override {
    setenv("COSFACE_CUDA_DRIVER", COSFACE_FAKE_CUDA_DRIVER, 1);
    the_fake_driver().start();
  }
  void TearDown() override {
    library().release();
    EXPECT_TRUE(the_fake_driver().holds_nothing());
    EXPECT_EQ(the_fake_driver().misuses, 0);
  }
};
using cuda_reason_test = cuda_loader_test;

struct host_results {
  std::vector<float> loss, target_cosine, d_embeddings, d_weights;
  std::vector<int32_t> prediction;

  explicit host_results(const problem_shape& shape)
      : loss(shape.batch),
        target_cosine(shape.batch),
        d_embeddings(shape.batch * shape.dim),
        d_weights(shape.classes * shape.dim),
        prediction(shape.batch) {}

  cosface_margin_softmax_results view() {
    cosface_margin_softmax_results results{};
    results.loss = loss.data();
    results.target_cosine = target_cosine.data();
    results.prediction = prediction.data();
    results.d_embeddings = d_embeddings.data();
    results.d_weights = d_weights.data();
    return results;
  }
};

// Every function of the library once, on a small problem. Gives the first error there was; goes on after it, as a
// program that catches errors would.
class whole_life {
 public:
  cosface_error run() {
    cosface_cuda_device_info info{};
    keep(library().describe_device(0, &info, &now_));
    int64_t bytes = 0;
    const cosface_margin_softmax_problem problem = data_.view();
    keep(library().needed_workspace(0, &problem, &options_, 1, &bytes, &now_));
    run_on_host();
    run_resident();
    library().release();
    return first_;
  }

 private:
  void keep(cosface_status status) {
    if (status == COSFACE_OK || first_.status != COSFACE_OK) return;
    first_ = now_;
  }

  void run_on_host() {
    const cosface_margin_softmax_problem problem = data_.view();
    host_results outputs(data_.shape);
    cosface_margin_softmax_results results = outputs.view();
    const cosface_cuda_call call{&problem, &options_, nullptr, &results, nullptr, 0};
    keep(library().margin_softmax(0, &call, &now_));
  }

  void run_resident() {
    cosface_cuda_resident* resident = nullptr;
    const auto [batch, classes, dim] = data_.shape;
    keep(library().create_resident(0, classes, dim, data_.weights.data(), &resident, &now_));
    if (resident == nullptr) return;
    cosface_margin_softmax_problem problem = data_.view();
    problem.weights = nullptr;
    host_results outputs(data_.shape);
    cosface_margin_softmax_results results = outputs.view();
    results.d_weights = nullptr;
    const cosface_cuda_call all{&problem, &options_, nullptr, &results, nullptr, 0};
    keep(library().run_resident(resident, &all, 1, &now_));
    const std::vector<int32_t> ids{0, 2};
    const cosface_cuda_class_subset subset{ids.data(), classes};
    cosface_margin_softmax_problem part = problem;
    part.classes = 2;
    const cosface_cuda_call some{&part, &options_, &subset, &results, nullptr, 0};
    keep(library().run_resident(resident, &some, 1, &now_));
    const cosface_cuda_sgd sgd{0.1, 0.9, 5e-4};
    keep(library().update_resident(resident, &sgd, &now_));
    keep(library().read_resident(resident, COSFACE_CUDA_WEIGHTS, 0, classes, outputs.d_weights.data(), &now_));
    keep(library().write_resident(resident, COSFACE_CUDA_VELOCITY, 0, classes, data_.weights.data(), &now_));
    library().free_resident(resident);
  }

  const problem_data data_ = [] {
    problem_data data = random_problem({3, 5, 4}, 1);
    data.labels = {0, 1, 1};
    return data;
  }();
  const cosface_margin_softmax_options options_ = cos_face_options();
  cosface_error now_{}, first_{};
};

TEST_F(cuda_loader_test, gives_everything_back) {
  const cosface_error error = whole_life().run();
  EXPECT_EQ(error.status, COSFACE_OK) << error.message;
  EXPECT_GT(the_fake_driver().calls, 60);
  EXPECT_TRUE(the_fake_driver().holds_nothing());
}

// 2 is out of memory, 700 an illegal address, 719 a launch that failed, 999 unknown.
TEST_F(cuda_loader_test, each_call_failing_in_turn_is_told_and_loses_nothing) {
  fake_driver& fake = the_fake_driver();
  whole_life().run();
  const int calls = fake.calls;
  for (const int result : {2, 700, 719, 999}) {
    for (int k = 1; k <= calls; k++) {
      SCOPED_TRACE("call " + std::to_string(k) + " of " + std::to_string(calls) + " returns " + std::to_string(result));
      fake.start();
      fake.fail_with = result;
      fake.fail_at = k;
      const cosface_error error = whole_life().run();
      ASSERT_EQ(fake.failed, 1);
      ASSERT_EQ(fake.misuses, 0);
      // Without the context nothing can be given back; the driver does that when the context ends.
      ASSERT_TRUE(fake.holds_nothing() || fake.last_failure == "cuCtxPushCurrent_v2");
      if (error.status == COSFACE_OK) {
        EXPECT_TRUE(fake.last_failure_gives_back || fake.last_failure == "cuCtxPushCurrent_v2") << fake.last_failure;
        continue;
      }
      EXPECT_TRUE(error.status == COSFACE_ERROR_DEVICE_UNAVAILABLE || error.status == COSFACE_ERROR_DEVICE_FAILED ||
                  (error.status == COSFACE_ERROR_OUT_OF_MEMORY && result == 2))
          << error.status;
      EXPECT_GT(std::string(error.message).size(), 20u);
    }
  }
}

TEST_F(cuda_loader_test, a_later_call_works_after_each_failure) {
  fake_driver& fake = the_fake_driver();
  whole_life().run();
  const int calls = fake.calls;
  for (int k = 1; k <= calls; k++) {
    fake.start();
    fake.fail_with = 999;
    fake.fail_at = k;
    whole_life().run();
    const cosface_error error = whole_life().run();
    ASSERT_EQ(error.status, COSFACE_OK) << "after call " << k << ": " << error.message;
  }
}

TEST_F(cuda_loader_test, memory_that_does_not_suffice_is_an_error_with_figures) {
  fake_driver& fake = the_fake_driver();
  fake.memory_bytes = 1 << 20;
  problem_data data = random_problem({8, 20000, 16}, 1);
  const cosface_margin_softmax_problem problem = data.view();
  const cosface_margin_softmax_options options = cos_face_options();
  host_results outputs(data.shape);
  cosface_margin_softmax_results results = outputs.view();
  const cosface_cuda_call call{&problem, &options, nullptr, &results, nullptr, 0};
  cosface_error error{};
  EXPECT_EQ(library().margin_softmax(0, &call, &error), COSFACE_ERROR_OUT_OF_MEMORY);
  EXPECT_STREQ(error.argument, "workspaceBytes");
  EXPECT_NE(std::string(error.message).find("1 MiB are free"), std::string::npos) << error.message;
}

TEST_F(cuda_loader_test, memory_is_kept_between_calls_and_released) {
  fake_driver& fake = the_fake_driver();
  problem_data data = random_problem({3, 5, 4}, 1);
  const cosface_margin_softmax_problem problem = data.view();
  const cosface_margin_softmax_options options = cos_face_options();
  host_results outputs(data.shape);
  cosface_margin_softmax_results results = outputs.view();
  const cosface_cuda_call call{&problem, &options, nullptr, &results, nullptr, 0};
  cosface_error error{};
  ASSERT_EQ(library().margin_softmax(0, &call, &error), COSFACE_OK) << error.message;
  const int64_t held = fake.bytes;
  EXPECT_EQ(fake.allocations, 1);
  for (int k = 0; k < 100; k++) ASSERT_EQ(library().margin_softmax(0, &call, &error), COSFACE_OK);
  EXPECT_EQ(fake.bytes, held);
  EXPECT_EQ(fake.contexts, 1);
  library().release();
  EXPECT_TRUE(fake.holds_nothing());
}

TEST_F(cuda_loader_test, a_device_in_use_outlives_a_release) {
  cosface_cuda_resident* resident = nullptr;
  cosface_error error{};
  ASSERT_EQ(library().create_resident(0, 2, 3, nullptr, &resident, &error), COSFACE_OK) << error.message;
  library().release();
  EXPECT_EQ(the_fake_driver().contexts, 1);
  std::vector<float> values(6, 1);
  EXPECT_EQ(library().read_resident(resident, COSFACE_CUDA_WEIGHTS, 0, 2, values.data(), &error), COSFACE_OK);
  EXPECT_EQ(values, std::vector<float>(6, 0));
  library().free_resident(resident);
  EXPECT_TRUE(the_fake_driver().holds_nothing());
}

TEST_F(cuda_loader_test, many_threads_and_a_release_meanwhile) {
  std::vector<std::thread> threads;
  for (int k = 0; k < 4; k++)
    threads.emplace_back([] {
      for (int n = 0; n < 5; n++) {
        const cosface_error error = whole_life().run();
        EXPECT_EQ(error.status, COSFACE_OK) << error.message;
      }
    });
  for (std::thread& thread : threads) thread.join();
}

// Reasons, as a user reads them.

void expect_reason(const cuda::failure& reason, const std::string& words) {
  EXPECT_EQ(reason.status(), COSFACE_ERROR_DEVICE_UNAVAILABLE);
  EXPECT_NE(std::string(reason.what()).find(words), std::string::npos) << reason.what();
}

void expect_refused(const cuda::driver& driver, const cuda::device_image& image, const std::string& words,
                    int ordinal = 0) {
  try {
    const cuda::device device(driver, ordinal, image);
    FAIL() << "opened, where " << words << " is right";
  } catch (const cuda::failure& reason) {
    expect_reason(reason, words);
  }
}

constexpr char image_bytes[16] = {};
constexpr cuda::device_image real_image{image_bytes, true, "sm_80 sm_90, PTX of compute_90", 13000, 13000, 13000};

TEST_F(cuda_reason_test, a_driver_older_than_the_image_needs) {
  cuda::driver driver = cuda::open_driver();
  driver.version = 12080;
  expect_refused(driver, real_image, "it is for CUDA 12.8, these kernels need one for CUDA 13.0 or later");
}

TEST_F(cuda_reason_test, a_driver_older_than_any_image_needs) {
  cuda::driver driver = cuda::open_driver();
  driver.version = 11080;
  expect_refused(driver, cuda::embedded_image(), "it is for CUDA 11.8, these kernels need one for CUDA 12.0 or later");
}

TEST_F(cuda_reason_test, no_device) {
  the_fake_driver().devices = 0;
  expect_refused(cuda::open_driver(), real_image, "sees no GPU");
}

TEST_F(cuda_reason_test, a_device_that_is_not_there) {
  the_fake_driver().devices = 2;
  expect_refused(cuda::open_driver(), real_image, "no GPU cuda:2, expected one of cuda:0 to cuda:1", 2);
  expect_refused(cuda::open_driver(), real_image, "no GPU cuda:-1", -1);
}

TEST_F(cuda_reason_test, of_the_context_and_the_module) {
  const struct {
    const char* function;
    int result;
    const char* words;
  } cases[] = {
      {"cuDevicePrimaryCtxRetain", 2, "too little free memory for a context"},
      {"cuDevicePrimaryCtxRetain", 46, "EXCLUSIVE_PROCESS"},
      {"cuDevicePrimaryCtxRetain", 999, "gives no context"},
      {"cuModuleLoadData", 209,
       "(sm_75) is of an architecture that these kernels were not compiled for: they are for sm_80"},
      {"cuModuleLoadData", 222, "the driver is too old to compile them for it"},
      {"cuModuleLoadData", 218, "the driver is too old to compile them for it"},
      {"cuModuleLoadData", 2, "too little free memory for the kernels"},
      {"cuModuleLoadData", 200, "refuses the kernels"},
      {"cuModuleGetFunction", 500, "the kernels lack cosface_"},
      {"cuFuncSetAttribute", 1, "the shared memory of cosface_"},
      {"cuDeviceGetCount", 999, "does not count its GPUs"},
      {"cuDeviceGetAttribute", 999, "does not describe the GPU"},
  };
  fake_driver& fake = the_fake_driver();
  for (const auto& c : cases) {
    SCOPED_TRACE(c.function);
    fake.start();
    fake.capability = 75;
    fake.fail_name = c.function;
    fake.fail_with = c.result;
    expect_refused(cuda::open_driver(), real_image, c.words);
    EXPECT_TRUE(fake.holds_nothing());
  }
}

TEST_F(cuda_reason_test, a_build_without_kernels) {
  the_fake_driver().fail_name = "cuModuleLoadData";
  the_fake_driver().fail_with = 200;
  cosface_error error{};
  EXPECT_EQ(library().score(0, &error), 0);
  EXPECT_NE(std::string(error.message).find("for tests under emulation"), std::string::npos) << error.message;
}

TEST_F(cuda_reason_test, a_gpu_that_is_lost_is_said_to_be) {
  the_fake_driver().fail_name = "cuStreamSynchronize";
  the_fake_driver().fail_with = 700;
  cosface_cuda_resident* resident = nullptr;
  cosface_error error{};
  EXPECT_EQ(library().create_resident(0, 2, 3, nullptr, &resident, &error), COSFACE_ERROR_DEVICE_FAILED);
  EXPECT_NE(std::string(error.message).find("The GPU is lost to this process"), std::string::npos) << error.message;
  EXPECT_EQ(resident, nullptr);
}

// What ends at opening the driver is told once a process: each in a process of its own.

int open_driver_says(const std::string& words) {
  try {
    cuda::open_driver();
  } catch (const cuda::failure& reason) {
    if (std::string(reason.what()).find(words) != std::string::npos) return 0;
    std::fprintf(stderr, "it says: %s\n", reason.what());
  }
  return 1;
}

class cuda_driver_death_test : public cuda_loader_test {
 protected:
  void SetUp() override {
    testing::FLAGS_gtest_death_test_style = "threadsafe";
    cuda_loader_test::SetUp();
  }
};

TEST_F(cuda_driver_death_test, a_driver_that_is_not_there) {
  setenv("COSFACE_CUDA_DRIVER", "libcuda-that-is-not-there.so", 1);
  EXPECT_EXIT(std::_Exit(open_driver_says("there is no NVIDIA driver: libcuda-that-is-not-there.so")),
              testing::ExitedWithCode(0), "");
}

TEST_F(cuda_driver_death_test, a_library_that_is_no_driver) {
  setenv("COSFACE_CUDA_DRIVER", "libm.so.6", 1);
  EXPECT_EXIT(std::_Exit(open_driver_says("libm.so.6 lacks cuInit cuDriverGetVersion")), testing::ExitedWithCode(0),
              "");
}

TEST_F(cuda_driver_death_test, a_driver_that_does_not_start) {
  const struct {
    int result;
    const char* words;
  } cases[] = {{100, "sees no GPU"},
               {34, "is the stub of a CUDA toolkit"},
               {803, "Restart the machine"},
               {3, "cannot be used after fork()"},
               {999, "cannot start: CUDA_ERROR_OF_THE_FAKE (as it was told)"}};
  the_fake_driver().fail_name = "cuInit";
  for (const auto& c : cases) {
    the_fake_driver().fail_with = c.result;
    EXPECT_EXIT(std::_Exit(open_driver_says(c.words)), testing::ExitedWithCode(0), "") << c.result;
  }
}

TEST_F(cuda_driver_death_test, a_failure_is_not_remembered) {
  the_fake_driver().fail_name = "cuInit";
  the_fake_driver().fail_with = 999;
  const auto opens_later = [] {
    if (open_driver_says("cannot start") != 0) return 1;
    the_fake_driver().start();
    return cuda::open_driver().version == 13000 ? 0 : 1;
  };
  EXPECT_EXIT(std::_Exit(opens_later()), testing::ExitedWithCode(0), "");
}

}  // namespace
}  // namespace cosface::test
