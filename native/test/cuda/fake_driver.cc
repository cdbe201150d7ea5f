#include "fake_driver.h"

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <map>
#include <mutex>
#include <string>

#include "cuda/driver.h"

namespace cosface::cuda::test {

fake_driver& the_fake_driver() {
  static auto* instance = new fake_driver;
  return *instance;
}

namespace {

constexpr int invalid_handle = 400;

int context_object, module_object, function_object, stream_object;
thread_local int contexts_current = 0;

struct heap {
  std::mutex mutex;
  std::map<device_address, size_t> blocks;

  bool holds(device_address address, size_t bytes) {
    const std::lock_guard lock(mutex);
    auto block = blocks.upper_bound(address);
    if (block == blocks.begin()) return false;
    --block;
    return address + bytes <= block->first + block->second;
  }
};

heap& the_heap() {
  static auto* instance = new heap;
  return *instance;
}

bool gives_back(const std::string& name) {
  for (const char* word : {"Release", "Unload", "Free", "Destroy", "Pop", "GetError"})
    if (name.find(word) != std::string::npos) return true;
  return false;
}

// The error that this call is to return, 0: none.
int enter(const char* name) {
  fake_driver& fake = the_fake_driver();
  const bool is_its_turn = ++fake.calls == fake.fail_at || (!fake.fail_name.empty() && fake.fail_name == name);
  if (!is_its_turn) return result_ok;
  fake.failed++;
  fake.last_failure = name;
  fake.last_failure_gives_back = gives_back(name);
  return fake.fail_with;
}

int misuse(int result) {
  the_fake_driver().misuses++;
  return result;
}

// As enter, for what needs a context.
int enter_context(const char* name) {
  if (contexts_current == 0) return misuse(result_invalid_context);
  return enter(name);
}

bool is_device_memory(device_address address, size_t bytes) { return the_heap().holds(address, bytes); }

void* host(device_address address) { return reinterpret_cast<void*>(static_cast<uintptr_t>(address)); }

template <typename T>
int give(T* to, T value, int result) {
  if (result == result_ok) *to = value;
  return result;
}

int attribute_of(int attribute) {
  const fake_driver& fake = the_fake_driver();
  switch (attribute) {
    case attribute_capability_major: return fake.capability / 10;
    case attribute_capability_minor: return fake.capability % 10;
    case attribute_multiprocessors: return 4;
    case attribute_shared_bytes_per_block_optin: return 232448;
    case attribute_shared_bytes_per_multiprocessor: return 233472;
    default: return 1 << 20;
  }
}

int allocate(device_address* address, size_t bytes) {
  fake_driver& fake = the_fake_driver();
  if (fake.bytes + static_cast<int64_t>(bytes) > fake.memory_bytes) return result_out_of_memory;
  void* block = std::aligned_alloc(256, (bytes + 255) / 256 * 256);
  std::memset(block, 0xff, bytes);
  const std::lock_guard lock(the_heap().mutex);
  *address = reinterpret_cast<uintptr_t>(block);
  the_heap().blocks[*address] = bytes;
  fake.allocations++;
  fake.bytes += static_cast<int64_t>(bytes);
  return result_ok;
}

int free_block(device_address address) {
  const std::lock_guard lock(the_heap().mutex);
  const auto block = the_heap().blocks.find(address);
  if (block == the_heap().blocks.end()) return misuse(result_invalid_value);
  the_fake_driver().allocations--;
  the_fake_driver().bytes -= static_cast<int64_t>(block->second);
  std::free(host(address));
  the_heap().blocks.erase(block);
  return result_ok;
}

}  // namespace

void fake_driver::start() {
  version = 13000;
  devices = 1;
  capability = 90;
  memory_bytes = int64_t{1} << 30;
  fail_at = 0;
  fail_name.clear();
  for (std::atomic<int>* count : {&calls, &failed, &misuses}) *count = 0;
  for (std::atomic<int64_t>* held : {&contexts, &modules, &streams, &allocations, &bytes}) *held = 0;
  const std::lock_guard lock(the_heap().mutex);
  for (const auto& [address, size] : the_heap().blocks) std::free(host(address));
  the_heap().blocks.clear();
}

}  // namespace cosface::cuda::test

using namespace cosface::cuda;
using namespace cosface::cuda::test;

#define DRIVER_CALL extern "C" __attribute__((visibility("default"))) int

DRIVER_CALL cuInit(unsigned) { return enter("cuInit"); }
DRIVER_CALL cuDriverGetVersion(int* version) {
  return give(version, the_fake_driver().version, enter("cuDriverGetVersion"));
}
DRIVER_CALL cuGetErrorName(int, const char** name) {
  return give<const char*>(name, "CUDA_ERROR_OF_THE_FAKE", enter("cuGetErrorName"));
}
DRIVER_CALL cuGetErrorString(int, const char** text) {
  return give<const char*>(text, "as it was told", enter("cuGetErrorString"));
}
DRIVER_CALL cuDeviceGetCount(int* count) { return give(count, the_fake_driver().devices, enter("cuDeviceGetCount")); }
DRIVER_CALL cuDeviceGet(int* device, int ordinal) { return give(device, ordinal, enter("cuDeviceGet")); }
DRIVER_CALL cuDeviceGetName(char* name, int size, int) {
  if (const int result = enter("cuDeviceGetName")) return result;
  std::strncpy(name, "Fake GPU", static_cast<size_t>(size));
  return result_ok;
}
DRIVER_CALL cuDeviceGetAttribute(int* value, int attribute, int) {
  return give(value, attribute_of(attribute), enter("cuDeviceGetAttribute"));
}
DRIVER_CALL cuDeviceTotalMem_v2(size_t* bytes, int) {
  return give(bytes, static_cast<size_t>(the_fake_driver().memory_bytes), enter("cuDeviceTotalMem_v2"));
}
DRIVER_CALL cuDevicePrimaryCtxRetain(CUcontext* context, int) {
  if (const int result = enter("cuDevicePrimaryCtxRetain")) return result;
  the_fake_driver().contexts++;
  *context = reinterpret_cast<CUcontext>(&context_object);
  return result_ok;
}
DRIVER_CALL cuDevicePrimaryCtxRelease_v2(int) {
  if (--the_fake_driver().contexts < 0) return misuse(result_invalid_context);
  return enter("cuDevicePrimaryCtxRelease_v2");
}
DRIVER_CALL cuCtxPushCurrent_v2(CUcontext context) {
  if (context == nullptr || the_fake_driver().contexts == 0) return misuse(result_invalid_context);
  if (const int result = enter("cuCtxPushCurrent_v2")) return result;
  contexts_current++;
  return result_ok;
}
DRIVER_CALL cuCtxPopCurrent_v2(CUcontext* context) {
  if (contexts_current == 0) return misuse(result_invalid_context);
  contexts_current--;
  return give(context, reinterpret_cast<CUcontext>(&context_object), enter("cuCtxPopCurrent_v2"));
}
DRIVER_CALL cuCtxSynchronize() { return enter_context("cuCtxSynchronize"); }
DRIVER_CALL cuModuleLoadData(CUmodule* module, const void* image) {
  if (image == nullptr) return misuse(result_invalid_value);
  if (const int result = enter_context("cuModuleLoadData")) return result;
  the_fake_driver().modules++;
  *module = reinterpret_cast<CUmodule>(&module_object);
  return result_ok;
}
DRIVER_CALL cuModuleUnload(CUmodule module) {
  if (module == nullptr || contexts_current == 0) return misuse(invalid_handle);
  the_fake_driver().modules--;
  return enter("cuModuleUnload");
}
DRIVER_CALL cuModuleGetFunction(CUfunction* function, CUmodule module, const char*) {
  if (module == nullptr) return misuse(invalid_handle);
  return give(function, reinterpret_cast<CUfunction>(&function_object), enter_context("cuModuleGetFunction"));
}
DRIVER_CALL cuFuncGetAttribute(int* value, int, CUfunction) {
  return give(value, 0, enter_context("cuFuncGetAttribute"));
}
DRIVER_CALL cuFuncSetAttribute(CUfunction, int, int) { return enter_context("cuFuncSetAttribute"); }
DRIVER_CALL cuMemGetInfo_v2(size_t* free_bytes, size_t* total_bytes) {
  if (const int result = enter_context("cuMemGetInfo_v2")) return result;
  *total_bytes = static_cast<size_t>(the_fake_driver().memory_bytes);
  *free_bytes = *total_bytes - static_cast<size_t>(the_fake_driver().bytes);
  return result_ok;
}
DRIVER_CALL cuMemAlloc_v2(device_address* address, size_t bytes) {
  if (bytes == 0) return misuse(result_invalid_value);
  if (const int result = enter_context("cuMemAlloc_v2")) return result;
  return allocate(address, bytes);
}
DRIVER_CALL cuMemFree_v2(device_address address) {
  if (contexts_current == 0) return misuse(result_invalid_context);
  const int result = free_block(address);
  return result == result_ok ? enter("cuMemFree_v2") : result;
}
DRIVER_CALL cuMemcpyHtoDAsync_v2(device_address to, const void* from, size_t bytes, CUstream) {
  if (!is_device_memory(to, bytes) || from == nullptr) return misuse(result_invalid_value);
  if (const int result = enter_context("cuMemcpyHtoDAsync_v2")) return result;
  std::memcpy(host(to), from, bytes);
  return result_ok;
}
DRIVER_CALL cuMemcpyDtoHAsync_v2(void* to, device_address from, size_t bytes, CUstream) {
  if (!is_device_memory(from, bytes) || to == nullptr) return misuse(result_invalid_value);
  if (const int result = enter_context("cuMemcpyDtoHAsync_v2")) return result;
  std::memcpy(to, host(from), bytes);
  return result_ok;
}
DRIVER_CALL cuMemcpyDtoDAsync_v2(device_address to, device_address from, size_t bytes, CUstream) {
  if (!is_device_memory(to, bytes) || !is_device_memory(from, bytes)) return misuse(result_invalid_value);
  if (const int result = enter_context("cuMemcpyDtoDAsync_v2")) return result;
  std::memcpy(host(to), host(from), bytes);
  return result_ok;
}
DRIVER_CALL cuMemsetD8Async(device_address to, unsigned char value, size_t bytes, CUstream) {
  if (!is_device_memory(to, bytes)) return misuse(result_invalid_value);
  if (const int result = enter_context("cuMemsetD8Async")) return result;
  std::memset(host(to), value, bytes);
  return result_ok;
}
DRIVER_CALL cuPointerGetAttribute(void* value, int, device_address address) {
  if (const int result = enter("cuPointerGetAttribute")) return result;
  if (!is_device_memory(address, 1)) return result_invalid_value;
  *static_cast<int*>(value) = 0;
  return result_ok;
}
DRIVER_CALL cuStreamCreate(CUstream* stream, unsigned) {
  if (const int result = enter_context("cuStreamCreate")) return result;
  the_fake_driver().streams++;
  *stream = reinterpret_cast<CUstream>(&stream_object);
  return result_ok;
}
DRIVER_CALL cuStreamDestroy_v2(CUstream stream) {
  if (stream == nullptr || contexts_current == 0) return misuse(result_invalid_context);
  the_fake_driver().streams--;
  return enter("cuStreamDestroy_v2");
}
DRIVER_CALL cuStreamSynchronize(CUstream stream) {
  if (stream == nullptr) return misuse(invalid_handle);
  return enter_context("cuStreamSynchronize");
}
DRIVER_CALL cuStreamWaitEvent(CUstream, CUevent, unsigned) { return enter_context("cuStreamWaitEvent"); }
DRIVER_CALL cuEventCreate(CUevent*, unsigned) { return enter_context("cuEventCreate"); }
DRIVER_CALL cuEventDestroy_v2(CUevent) { return enter("cuEventDestroy_v2"); }
DRIVER_CALL cuEventRecord(CUevent, CUstream) { return enter_context("cuEventRecord"); }
DRIVER_CALL cuEventSynchronize(CUevent) { return enter_context("cuEventSynchronize"); }
DRIVER_CALL cuEventElapsedTime(float*, CUevent, CUevent) { return enter_context("cuEventElapsedTime"); }
DRIVER_CALL cuLaunchKernel(CUfunction function, unsigned grid_x, unsigned grid_y, unsigned grid_z, unsigned block_x,
                           unsigned block_y, unsigned block_z, unsigned shared_bytes, CUstream stream,
                           void** parameters, void**) {
  const bool has_threads = grid_x > 0 && grid_y > 0 && grid_z > 0 && block_x > 0 && block_x * block_y * block_z <= 1024;
  const bool fits = grid_y <= 65535 && grid_z <= 65535 && grid_x <= INT32_MAX && shared_bytes <= 232448;
  if (function == nullptr || stream == nullptr || !has_threads || !fits || parameters[0] == nullptr)
    return misuse(result_invalid_value);
  return enter_context("cuLaunchKernel");
}
