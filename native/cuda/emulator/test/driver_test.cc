// The emulated driver refuses what a driver refuses, and shows what a device might.
#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <vector>

#include "cuda/device.h"

namespace cosface::cuda::emulator::test {
namespace {

// A variable of the environment, while it lives.
class setting {
 public:
  setting(const char* name, const char* value) : name_(name) { setenv(name, value, 1); }
  ~setting() { unsetenv(name_); }

 private:
  const char* name_;
};
constexpr const char *fail = "COSFACE_EMULATOR_FAIL", *pretend = "COSFACE_EMULATOR_DEVICE";

class emulated_driver : public testing::Test {
 protected:
  const driver& api_ = open_driver();
  device device_{api_, 0, embedded_image()};
  context_scope current_{device_};
  queue queue_{device_};

  device_address address(const device_memory& memory) { return reinterpret_cast<uintptr_t>(memory.data()); }

  // weights -= gradient, of one row.
  sgd_update_params update(const device_memory& weights, const device_memory& gradient, int64_t dim) {
    return {.weights = weights.as<float>(),
            .velocity = nullptr,
            .gradient = gradient.as<float>(),
            .ids = nullptr,
            .rows = 1,
            .dim = dim,
            .learning_rate = 1,
            .momentum = 0,
            .weight_decay = 0};
  }
  int launch(const sgd_update_params& p, unsigned grid = 1, unsigned block = 32, unsigned shared = 0) {
    void* parameters[] = {const_cast<sgd_update_params*>(&p)};
    return api_.launch(device_.function(kernel::sgd_update), grid, 1, 1, block, 1, 1, shared, queue_.stream(),
                       parameters, nullptr);
  }
};

TEST_F(emulated_driver, runs_kernels_and_copies_in_order_once_somebody_waits) {
  constexpr int64_t dim = 5;
  const device_memory weights(device_, dim * 4), gradient(device_, dim * 4);
  std::vector<float> values{1, 2, 3, 4, 5}, out(dim, -1);
  queue_.copy_to_device(weights.data(), values.data(), dim * 4);
  values.assign(dim, 0.5f);
  queue_.copy_to_device(gradient.data(), values.data(), dim * 4);
  values.assign(dim, NAN);  // was read when the copy was queued
  EXPECT_EQ(launch(update(weights, gradient, dim)), result_ok);
  queue_.copy_from_device(out.data(), weights.data(), dim * 4);
  EXPECT_EQ(out[0], -1);
  queue_.synchronize();
  for (int k = 0; k < dim; k++) EXPECT_EQ(out[k], k + 0.5f);
}

TEST_F(emulated_driver, memory_starts_as_nan) {
  const device_memory memory(device_, 12);
  std::vector<float> out(3);
  queue_.copy_from_device(out.data(), memory.data(), 12);
  queue_.synchronize();
  for (const float value : out) EXPECT_TRUE(std::isnan(value));
}

TEST_F(emulated_driver, refuses_launches_beyond_the_limits) {
  const device_memory weights(device_, 128), gradient(device_, 128);
  const sgd_update_params p = update(weights, gradient, 32);
  EXPECT_EQ(launch(p, 0), result_invalid_value);
  EXPECT_EQ(launch(p, 1, 0), result_invalid_value);
  EXPECT_EQ(launch(p, 1, 1025), result_invalid_value);
  EXPECT_EQ(launch(p, 1, 1024), result_ok);
  const auto most = static_cast<unsigned>(device_.properties().shared_bytes_per_block);
  EXPECT_EQ(launch(p, 1, 32, most), result_ok);
  EXPECT_EQ(launch(p, 1, 32, most + 1), result_invalid_value);
  const CUfunction function = device_.function(kernel::sgd_update);
  EXPECT_EQ(api_.set_function_attribute(function, function_largest_dynamic_shared_bytes, 48 << 10), result_ok);
  EXPECT_EQ(launch(p, 1, 32, (48 << 10) + 1), result_invalid_value);
  EXPECT_EQ(api_.set_function_attribute(function, function_largest_dynamic_shared_bytes, static_cast<int>(most) + 1),
            result_invalid_value);
}

TEST_F(emulated_driver, tells_pointers_of_host_and_device_apart) {
  const device_memory memory(device_, 64);
  float host[16] = {};
  const auto host_address = reinterpret_cast<device_address>(host);
  EXPECT_EQ(api_.copy_to_device(host_address, host, 4, queue_.stream()), result_invalid_value);
  EXPECT_EQ(api_.copy_to_device(address(memory), memory.data(), 4, queue_.stream()), result_invalid_value);
  EXPECT_EQ(api_.copy_from_device(memory.data(), address(memory), 4, queue_.stream()), result_invalid_value);
  EXPECT_EQ(api_.copy_to_device(address(memory), host, 65, queue_.stream()), result_invalid_value);
  EXPECT_EQ(api_.copy_to_device(address(memory) + 60, host, 4, queue_.stream()), result_ok);
  EXPECT_EQ(api_.fill_bytes(address(memory) + 61, 0, 4, queue_.stream()), result_invalid_value);
  EXPECT_EQ(api_.free(address(memory) + 4), result_invalid_value);
  int ordinal = -1;
  EXPECT_EQ(api_.pointer_attribute(&ordinal, pointer_device_ordinal, address(memory) + 63), result_ok);
  EXPECT_EQ(ordinal, 0);
  EXPECT_EQ(api_.pointer_attribute(&ordinal, pointer_device_ordinal, host_address), result_invalid_value);
}

TEST_F(emulated_driver, refuses_a_kernel_that_is_given_memory_of_the_host) {
  const setting until_the_end(fail, "");  // its error lasts until this changes
  const device_memory gradient(device_, 128);
  std::vector<float> host(32);
  sgd_update_params p = update(gradient, gradient, 32);
  p.weights = host.data();
  EXPECT_EQ(launch(p), result_illegal_address);
  EXPECT_EQ(api_.stream_synchronize(queue_.stream()), result_illegal_address);
  const setting other(fail, "cuInit:1");
  EXPECT_EQ(api_.stream_synchronize(queue_.stream()), result_ok);
}

using emulated_driver_death = emulated_driver;

TEST_F(emulated_driver_death, ends_a_host_that_follows_a_device_pointer) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  const device_memory memory(device_, 64);
  EXPECT_DEATH(const_cast<volatile float*>(memory.as<float>())[3] = 1, "");
}

TEST_F(emulated_driver, fails_where_it_is_told_to) {
  size_t free = 0, total = 0;
  const setting second(fail, "cuMemGetInfo_v2:2@2,cuStreamSynchronize:719");
  EXPECT_EQ(api_.memory_info(&free, &total), result_ok);
  EXPECT_EQ(api_.memory_info(&free, &total), result_out_of_memory);
  EXPECT_EQ(api_.memory_info(&free, &total), result_ok);
  EXPECT_EQ(api_.stream_synchronize(queue_.stream()), result_launch_failed);
  EXPECT_EQ(api_.memory_info(&free, &total), result_launch_failed) << "an error of the context stays";
}

TEST_F(emulated_driver, pretends_to_be_another_device) {
  const setting device(pretend, "count=2,name=Small,capability=120,shared_kib=99,multiprocessors=3,memory_mib=1");
  const device_properties properties = read_properties(api_, 1);
  EXPECT_EQ(properties.name, "Small");
  EXPECT_EQ(properties.capability, 120);
  EXPECT_EQ(properties.shared_bytes_per_block, 99 << 10);
  EXPECT_EQ(properties.multiprocessors, 3);
  EXPECT_EQ(properties.memory_bytes, 1 << 20);
  device_address memory = 0, more = 0;
  EXPECT_EQ(api_.allocate(&memory, 600 << 10), result_ok);
  EXPECT_EQ(device_.free_bytes(), (1 << 20) - (600 << 10));
  EXPECT_EQ(api_.allocate(&more, 600 << 10), result_out_of_memory);
  EXPECT_EQ(api_.free(memory), result_ok);
  EXPECT_EQ(api_.free(memory), result_invalid_value);
}

TEST_F(emulated_driver, needs_a_context) {
  CUcontext popped = nullptr;
  device_address memory = 0;
  ASSERT_EQ(api_.context_pop(&popped), result_ok);
  EXPECT_EQ(api_.allocate(&memory, 4), result_invalid_context);
  ASSERT_EQ(api_.context_push(popped), result_ok);
}

TEST_F(emulated_driver, one_stream_waits_for_another_by_an_event) {
  const device_memory memory(device_, 4);
  queue other(device_);
  CUevent event = nullptr;
  ASSERT_EQ(api_.event_create(&event, event_disable_timing), result_ok);
  const float value = 7;
  float out = 0;
  queue_.copy_to_device(memory.data(), &value, 4);
  EXPECT_EQ(api_.event_record(event, queue_.stream()), result_ok);
  EXPECT_EQ(api_.stream_wait_event(other.stream(), event, 0), result_ok);
  other.copy_from_device(&out, memory.data(), 4);
  other.synchronize();
  EXPECT_EQ(out, 7);
  EXPECT_EQ(api_.event_destroy(event), result_ok);
}

}  // namespace
}  // namespace cosface::cuda::emulator::test
