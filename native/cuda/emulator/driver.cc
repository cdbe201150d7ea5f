// The functions of driver.h over the emulator: a libcuda for machines without a GPU.
//
// Built as a shared library and named by COSFACE_CUDA_DRIVER, it takes the place of libcuda.so.1, so that loader,
// plans, addon and TypeScript run as they do on a GPU. It refuses what a driver refuses, and is strict where a driver
// is lenient: README.md.
#include "cuda/driver.h"

#include <sys/mman.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstring>
#include <memory>
#include <mutex>
#include <set>
#include <vector>

#include "cuda/emulator/execution.h"
#include "cuda/emulator/kernels.h"
#include "cuda/emulator/memory.h"
#include "cuda/emulator/pretence.h"
#include "cuda/emulator/stream.h"

// With the types of driver.h: a definition that differs does not compile.
#define COSFACE_DECLARE(member, name, parameters) extern "C" __attribute__((visibility("default"))) int name parameters;
COSFACE_CUDA_DRIVER(COSFACE_DECLARE)
#undef COSFACE_DECLARE

using namespace cosface::cuda;
namespace emulator = cosface::cuda::emulator;

struct CUctx_st {
  int device;
  int retained = 0;
};

struct CUmod_st {
  CUctx_st* context;
  std::vector<std::unique_ptr<CUfunc_st>> functions;
};

struct CUfunc_st {
  const emulator::emulated_kernel* kernel;
  int largest_dynamic_shared_bytes = 48 << 10;
};

struct CUstream_st {
  std::shared_ptr<emulator::stream> work = std::make_shared<emulator::stream>();
};

struct CUevent_st {
  using clock = std::chrono::steady_clock;
  std::shared_ptr<emulator::stream> work;  // null: never recorded
  uint64_t ticket = 0;                     // the record is done once so many of the stream are
  std::shared_ptr<clock::time_point> time = std::make_shared<clock::time_point>();
};

namespace {

constexpr int most_devices = 8;
constexpr unsigned most_block_threads = 1024, most_grid_yz = 65535;
constexpr int static_shared_bytes = 48 << 10;

struct driver_state {
  std::mutex mutex;
  bool is_initialised = false;
  int context_error = result_ok;  // the one that every call gives from then on
  uint64_t error_generation = 0;
  uint64_t launches = 0;
  CUctx_st contexts[most_devices];
  std::set<CUmodule> modules;
  std::set<CUfunction> functions;
  std::set<CUstream> streams;
  std::set<CUevent> events;
  CUstream_st default_stream;
  emulator::device_memory_pool memory;
};

// Never destroyed: threads may still call while the process ends.
driver_state& state() {
  static driver_state* instance = [] {
    auto* made = new driver_state;
    for (int device = 0; device < most_devices; device++) made->contexts[device].device = device;
    return made;
  }();
  return *instance;
}

// Without a destructor: objects with static storage close their contexts when this thread's own are gone already.
struct current_contexts {
  static constexpr int most = 64;
  CUcontext contexts[most];
  int depth;
};
thread_local constinit current_contexts context_stack{};

enum class needs {
  nothing,
  initialised,
  context,
};

bool ends_context(int result) { return result >= 700 && result < 800; }

int fail_context(int result) {
  state().context_error = result;
  state().error_generation = emulator::generation_of_failures();
  return result;
}

int refusal(const char* function, needs need) {
  const int injected = emulator::injected_failure(function);
  if (injected != result_ok) return ends_context(injected) ? fail_context(injected) : injected;
  if (state().error_generation != emulator::generation_of_failures()) state().context_error = result_ok;
  if (need == needs::nothing) return result_ok;
  if (!state().is_initialised) return result_not_initialized;
  if (state().context_error != result_ok) return state().context_error;
  if (need == needs::context && context_stack.depth == 0) return result_invalid_context;
  return result_ok;
}

// Every function: one at a time, after what the environment injects and what must hold first.
template <class action>
int driver_call(const char* function, needs need, const action& act) {
  const std::lock_guard lock(state().mutex);
  if (const int result = refusal(function, need); result != result_ok) return result;
  return act();
}

int current_device() { return context_stack.contexts[context_stack.depth - 1]->device; }

// ---- Work

CUstream_st* find_stream(CUstream handle) {
  if (handle == nullptr) return &state().default_stream;
  return state().streams.count(handle) == 0 ? nullptr : handle;
}

void run_until(emulator::stream& work, uint64_t count) {
  state().memory.open();
  work.run_until(count);
  state().memory.close();
}

int run_all(CUstream_st& stream) {
  run_until(*stream.work, stream.work->added());
  return state().context_error;
}

int run_everything() {
  run_all(state().default_stream);
  for (CUstream stream : state().streams) run_all(*stream);
  return state().context_error;
}

template <class action>
int enqueue(CUstream handle, const action& act) {
  CUstream_st* stream = find_stream(handle);
  if (stream == nullptr) return result_invalid_value;
  stream->work->add([act] {
    if (state().context_error == result_ok) act();
  });
  return result_ok;
}

bool is_on_device(device_address address, size_t bytes) { return state().memory.holds(address, bytes); }
bool is_on_host(const void* address, size_t bytes) {
  return address != nullptr && !state().memory.touches(reinterpret_cast<uintptr_t>(address), bytes);
}
void* pointer_to(device_address address) { return reinterpret_cast<void*>(static_cast<uintptr_t>(address)); }

// ---- Launches

bool is_mapped(uintptr_t address) {
  const uintptr_t page = static_cast<uintptr_t>(sysconf(_SC_PAGESIZE));
  return msync(pointer_to(address / page * page), page, MS_ASYNC) == 0;
}

// A word of the parameters, their padding cleared, that is an address of the process but in no device memory: the
// host's pointer, which a kernel must not follow. Below 0x55.. a program's memory seldom lies, and pairs of small
// integers often would.
uintptr_t host_pointer_in(const std::vector<unsigned char>& parameters) {
  constexpr uintptr_t least = 0x550000000000, most = 0x7fffffffffff;
  for (size_t at = 0; at + sizeof(uintptr_t) <= parameters.size(); at += sizeof(uintptr_t)) {
    uintptr_t word = 0;
    std::memcpy(&word, parameters.data() + at, sizeof(word));
    // The end of a block may be meant.
    if (word >= least && word <= most && !state().memory.holds(word, 0) && is_mapped(word)) return word;
  }
  return 0;
}

bool is_launchable(const CUfunc_st& function, const emulator::launch& launch) {
  const auto& [grid, block] = std::pair(launch.grid, launch.block);
  if (grid.x == 0 || grid.y == 0 || grid.z == 0 || grid.y > most_grid_yz || grid.z > most_grid_yz) return false;
  if (grid.x > 0x7fffffff) return false;
  const uint64_t threads = uint64_t{block.x} * block.y * block.z;
  if (threads == 0 || threads > most_block_threads || block.z > 64) return false;
  return launch.shared_bytes <= static_cast<size_t>(function.largest_dynamic_shared_bytes);
}

int launch_kernel(CUfunction function, emulator::launch launch, CUstream stream, void** parameters) {
  if (state().functions.count(function) == 0 || parameters == nullptr) return result_invalid_value;
  const emulator::emulated_kernel& kernel = *function->kernel;
  launch.name = kernel.symbol;
  launch.body = kernel.run_thread;
  if (!is_launchable(*function, launch)) return result_invalid_value;
  const auto* first = static_cast<const unsigned char*>(parameters[0]);
  std::vector<unsigned char> copy(first, first + kernel.parameter_bytes);
  kernel.clear_padding(copy.data());
  if (const uintptr_t pointer = host_pointer_in(copy); pointer != 0) {
    std::fprintf(stderr, "cosface emulator: %s is given %p, which is not device memory\n", kernel.symbol,
                 pointer_to(pointer));
    return fail_context(result_illegal_address);
  }
  return enqueue(stream, [launch, copy] {
    emulator::launch with_parameters = launch;
    with_parameters.parameters = copy.data();
    emulator::schedule schedule = emulator::schedule_of_environment();
    schedule.seed += state().launches++;
    emulator::run(with_parameters, schedule);
  });
}

struct named_result {
  int result;
  const char *name, *text;
};
constexpr named_result named_results[] = {
    {result_ok, "CUDA_SUCCESS", "no error"},
    {result_invalid_value, "CUDA_ERROR_INVALID_VALUE", "invalid argument"},
    {result_out_of_memory, "CUDA_ERROR_OUT_OF_MEMORY", "out of memory"},
    {result_not_initialized, "CUDA_ERROR_NOT_INITIALIZED", "initialization error"},
    {result_deinitialized, "CUDA_ERROR_DEINITIALIZED", "driver shutting down"},
    {result_stub_library, "CUDA_ERROR_STUB_LIBRARY", "CUDA driver is a stub library"},
    {result_device_unavailable, "CUDA_ERROR_DEVICE_UNAVAILABLE", "CUDA-capable device(s) is/are busy or unavailable"},
    {result_no_device, "CUDA_ERROR_NO_DEVICE", "no CUDA-capable device is detected"},
    {result_invalid_device, "CUDA_ERROR_INVALID_DEVICE", "invalid device ordinal"},
    {result_invalid_image, "CUDA_ERROR_INVALID_IMAGE", "device kernel image is invalid"},
    {result_invalid_context, "CUDA_ERROR_INVALID_CONTEXT", "invalid device context"},
    {result_no_binary_for_gpu, "CUDA_ERROR_NO_BINARY_FOR_GPU",
     "no kernel image is available for execution on the device"},
    {result_invalid_ptx, "CUDA_ERROR_INVALID_PTX", "a PTX JIT compilation failed"},
    {result_unsupported_ptx_version, "CUDA_ERROR_UNSUPPORTED_PTX_VERSION",
     "the provided PTX was compiled with an unsupported toolchain."},
    {result_not_found, "CUDA_ERROR_NOT_FOUND", "named symbol not found"},
    {result_not_ready, "CUDA_ERROR_NOT_READY", "device not ready"},
    {result_illegal_address, "CUDA_ERROR_ILLEGAL_ADDRESS", "an illegal memory access was encountered"},
    {result_launch_failed, "CUDA_ERROR_LAUNCH_FAILED", "unspecified launch failure"},
    {result_system_driver_mismatch, "CUDA_ERROR_SYSTEM_DRIVER_MISMATCH",
     "system has unsupported display driver / cuda driver combination"},
};

const named_result* find_result(int result) {
  for (const named_result& named : named_results)
    if (named.result == result) return &named;
  return nullptr;
}

bool is_device(int device) {
  return device >= 0 && device < most_devices && device < emulator::read_pretended_device().count;
}

// -1: not one that is asked for.
int64_t attribute_value(const emulator::pretended_device& device, int attribute) {
  switch (attribute) {
    case attribute_shared_bytes_per_block: return static_shared_bytes;
    case attribute_multiprocessors: return device.multiprocessors;
    case attribute_l2_bytes: return 4 << 20;
    case attribute_capability_major: return device.capability / 10;
    case attribute_capability_minor: return device.capability % 10;
    case attribute_shared_bytes_per_multiprocessor: return (device.shared_kib + 1) << 10;
    case attribute_shared_bytes_per_block_optin: return device.shared_kib << 10;
    default: return -1;
  }
}

// An image of tests (zeros), a fatbin or an ELF: nothing of it is executed.
bool is_image(const void* image) {
  unsigned first = 0;
  if (image == nullptr) return false;
  std::memcpy(&first, image, sizeof(first));
  return first == 0 || first == 0xba55ed50 || first == 0x464c457f;
}

void drop_functions(CUmodule module) {
  for (const auto& function : module->functions) state().functions.erase(function.get());
}

size_t device_bytes() { return static_cast<size_t>(emulator::read_pretended_device().memory_mib) << 20; }

}  // namespace

int cuInit(unsigned flags) {
  return driver_call("cuInit", needs::nothing, [&] {
    if (flags != 0) return result_invalid_value;
    if (emulator::read_pretended_device().count == 0) return result_no_device;
    state().is_initialised = true;
    return result_ok;
  });
}

int cuDriverGetVersion(int* version) {
  return driver_call("cuDriverGetVersion", needs::nothing, [&] {
    *version = static_cast<int>(emulator::read_pretended_device().driver);
    return result_ok;
  });
}

int cuGetErrorName(int result, const char** name) {
  return driver_call("cuGetErrorName", needs::nothing, [&] {
    const named_result* found = find_result(result);
    *name = found == nullptr ? nullptr : found->name;
    return found == nullptr ? result_invalid_value : result_ok;
  });
}

int cuGetErrorString(int result, const char** text) {
  return driver_call("cuGetErrorString", needs::nothing, [&] {
    const named_result* found = find_result(result);
    *text = found == nullptr ? nullptr : found->text;
    return found == nullptr ? result_invalid_value : result_ok;
  });
}

int cuDeviceGetCount(int* count) {
  return driver_call("cuDeviceGetCount", needs::initialised, [&] {
    *count = static_cast<int>(emulator::read_pretended_device().count);
    return result_ok;
  });
}

int cuDeviceGet(int* device, int ordinal) {
  return driver_call("cuDeviceGet", needs::initialised, [&] {
    if (!is_device(ordinal)) return result_invalid_device;
    *device = ordinal;
    return result_ok;
  });
}

int cuDeviceGetName(char* name, int size, int device) {
  return driver_call("cuDeviceGetName", needs::initialised, [&] {
    if (!is_device(device)) return result_invalid_device;
    std::snprintf(name, static_cast<size_t>(size), "%s", emulator::read_pretended_device().name.c_str());
    return result_ok;
  });
}

int cuDeviceGetAttribute(int* value, int attribute, int device) {
  return driver_call("cuDeviceGetAttribute", needs::initialised, [&] {
    if (!is_device(device)) return result_invalid_device;
    const int64_t found = attribute_value(emulator::read_pretended_device(), attribute);
    *value = static_cast<int>(found);
    return found < 0 ? result_invalid_value : result_ok;
  });
}

int cuDeviceTotalMem_v2(size_t* bytes, int device) {
  return driver_call("cuDeviceTotalMem_v2", needs::initialised, [&] {
    if (!is_device(device)) return result_invalid_device;
    *bytes = device_bytes();
    return result_ok;
  });
}

int cuDevicePrimaryCtxRetain(CUcontext* context, int device) {
  return driver_call("cuDevicePrimaryCtxRetain", needs::initialised, [&] {
    if (!is_device(device)) return result_invalid_device;
    *context = &state().contexts[device];
    (*context)->retained++;
    return result_ok;
  });
}

int cuDevicePrimaryCtxRelease_v2(int device) {
  return driver_call("cuDevicePrimaryCtxRelease_v2", needs::initialised, [&] {
    if (!is_device(device) || state().contexts[device].retained == 0) return result_invalid_context;
    if (--state().contexts[device].retained == 0) {
      run_everything();
      state().memory.free_all(device);
    }
    return result_ok;
  });
}

int cuCtxPushCurrent_v2(CUcontext context) {
  return driver_call("cuCtxPushCurrent_v2", needs::initialised, [&] {
    if (context == nullptr || context->retained == 0) return result_invalid_context;
    if (context_stack.depth == current_contexts::most) return result_invalid_value;
    context_stack.contexts[context_stack.depth++] = context;
    return result_ok;
  });
}

int cuCtxPopCurrent_v2(CUcontext* context) {
  return driver_call("cuCtxPopCurrent_v2", needs::context, [&] {
    *context = context_stack.contexts[context_stack.depth - 1];
    context_stack.depth--;
    return result_ok;
  });
}

int cuCtxSynchronize() {
  return driver_call("cuCtxSynchronize", needs::context, [&] { return run_everything(); });
}

int cuModuleLoadData(CUmodule* module, const void* image) {
  return driver_call("cuModuleLoadData", needs::context, [&] {
    if (!is_image(image)) return result_invalid_image;
    *module = new CUmod_st{context_stack.contexts[context_stack.depth - 1], {}};
    state().modules.insert(*module);
    return result_ok;
  });
}

int cuModuleUnload(CUmodule module) {
  return driver_call("cuModuleUnload", needs::context, [&] {
    if (state().modules.erase(module) == 0) return result_invalid_value;
    run_everything();
    drop_functions(module);
    delete module;
    return result_ok;
  });
}

int cuModuleGetFunction(CUfunction* function, CUmodule module, const char* name) {
  return driver_call("cuModuleGetFunction", needs::context, [&] {
    if (state().modules.count(module) == 0) return result_invalid_value;
    const emulator::emulated_kernel* kernel = emulator::find_kernel(name);
    if (kernel == nullptr) return result_not_found;
    module->functions.push_back(std::make_unique<CUfunc_st>(CUfunc_st{kernel}));
    *function = module->functions.back().get();
    state().functions.insert(*function);
    return result_ok;
  });
}

int cuFuncGetAttribute(int* value, int attribute, CUfunction function) {
  return driver_call("cuFuncGetAttribute", needs::context, [&] {
    if (state().functions.count(function) == 0) return result_invalid_value;
    // gpu.h has no other than dynamic shared memory.
    *value = attribute == function_largest_dynamic_shared_bytes ? function->largest_dynamic_shared_bytes : 0;
    const bool is_known = attribute == function_shared_bytes || attribute == function_largest_dynamic_shared_bytes;
    return is_known ? result_ok : result_invalid_value;
  });
}

int cuFuncSetAttribute(CUfunction function, int attribute, int value) {
  return driver_call("cuFuncSetAttribute", needs::context, [&] {
    if (state().functions.count(function) == 0 || attribute != function_largest_dynamic_shared_bytes)
      return result_invalid_value;
    if (value < 0 || value > emulator::read_pretended_device().shared_kib << 10) return result_invalid_value;
    function->largest_dynamic_shared_bytes = value;
    return result_ok;
  });
}

int cuMemGetInfo_v2(size_t* free_bytes, size_t* total_bytes) {
  return driver_call("cuMemGetInfo_v2", needs::context, [&] {
    *total_bytes = device_bytes();
    *free_bytes = *total_bytes - state().memory.bytes_in_use(current_device());
    return result_ok;
  });
}

int cuMemAlloc_v2(device_address* address, size_t bytes) {
  return driver_call("cuMemAlloc_v2", needs::context, [&] {
    if (bytes == 0) return result_invalid_value;
    *address = state().memory.allocate(bytes, device_bytes(), current_device());
    return *address == 0 ? result_out_of_memory : result_ok;
  });
}

int cuMemFree_v2(device_address address) {
  return driver_call("cuMemFree_v2", needs::context, [&] {
    // It waits for the work that may use the memory.
    const int result = run_everything();
    return state().memory.free(address) ? result : result_invalid_value;
  });
}

int cuMemcpyHtoDAsync_v2(device_address to, const void* from, size_t bytes, CUstream stream) {
  return driver_call("cuMemcpyHtoDAsync_v2", needs::context, [&] {
    if (!is_on_device(to, bytes) || !is_on_host(from, bytes)) return result_invalid_value;
    // Pageable memory is read before the call returns.
    const auto* first = static_cast<const unsigned char*>(from);
    return enqueue(stream, [to, staged = std::vector<unsigned char>(first, first + bytes)] {
      std::memcpy(pointer_to(to), staged.data(), staged.size());
    });
  });
}

int cuMemcpyDtoHAsync_v2(void* to, device_address from, size_t bytes, CUstream stream) {
  return driver_call("cuMemcpyDtoHAsync_v2", needs::context, [&] {
    if (!is_on_device(from, bytes) || !is_on_host(to, bytes)) return result_invalid_value;
    return enqueue(stream, [=] { std::memcpy(to, pointer_to(from), bytes); });
  });
}

int cuMemcpyDtoDAsync_v2(device_address to, device_address from, size_t bytes, CUstream stream) {
  return driver_call("cuMemcpyDtoDAsync_v2", needs::context, [&] {
    if (!is_on_device(to, bytes) || !is_on_device(from, bytes)) return result_invalid_value;
    return enqueue(stream, [=] { std::memmove(pointer_to(to), pointer_to(from), bytes); });
  });
}

int cuMemsetD8Async(device_address to, unsigned char value, size_t bytes, CUstream stream) {
  return driver_call("cuMemsetD8Async", needs::context, [&] {
    if (!is_on_device(to, bytes)) return result_invalid_value;
    return enqueue(stream, [=] { std::memset(pointer_to(to), value, bytes); });
  });
}

int cuPointerGetAttribute(void* value, int attribute, device_address address) {
  return driver_call("cuPointerGetAttribute", needs::initialised, [&] {
    const int device = state().memory.device_of(address);
    if (attribute != pointer_device_ordinal || device < 0) return result_invalid_value;
    *static_cast<int*>(value) = device;
    return result_ok;
  });
}

int cuStreamCreate(CUstream* stream, unsigned flags) {
  return driver_call("cuStreamCreate", needs::context, [&] {
    // A stream that waits for the default stream and makes it wait is not emulated.
    if (flags != stream_non_blocking) return result_invalid_value;
    *stream = new CUstream_st;
    state().streams.insert(*stream);
    return result_ok;
  });
}

int cuStreamDestroy_v2(CUstream stream) {
  return driver_call("cuStreamDestroy_v2", needs::context, [&] {
    if (state().streams.count(stream) == 0) return result_invalid_value;
    const int result = run_all(*stream);
    state().streams.erase(stream);
    delete stream;
    return result;
  });
}

int cuStreamSynchronize(CUstream stream) {
  return driver_call("cuStreamSynchronize", needs::context, [&] {
    CUstream_st* found = find_stream(stream);
    return found == nullptr ? result_invalid_value : run_all(*found);
  });
}

int cuStreamWaitEvent(CUstream stream, CUevent event, unsigned flags) {
  return driver_call("cuStreamWaitEvent", needs::context, [&] {
    if (flags != 0 || state().events.count(event) == 0) return result_invalid_value;
    if (event->work == nullptr) return result_ok;
    return enqueue(stream, [work = event->work, ticket = event->ticket] { work->run_until(ticket); });
  });
}

int cuEventCreate(CUevent* event, unsigned) {
  return driver_call("cuEventCreate", needs::context, [&] {
    *event = new CUevent_st;
    state().events.insert(*event);
    return result_ok;
  });
}

int cuEventDestroy_v2(CUevent event) {
  return driver_call("cuEventDestroy_v2", needs::context, [&] {
    if (state().events.erase(event) == 0) return result_invalid_value;
    delete event;
    return result_ok;
  });
}

int cuEventRecord(CUevent event, CUstream stream) {
  return driver_call("cuEventRecord", needs::context, [&] {
    CUstream_st* found = find_stream(stream);
    if (found == nullptr || state().events.count(event) == 0) return result_invalid_value;
    enqueue(stream, [time = event->time] { *time = CUevent_st::clock::now(); });
    event->work = found->work;
    event->ticket = found->work->added();
    return result_ok;
  });
}

int cuEventSynchronize(CUevent event) {
  return driver_call("cuEventSynchronize", needs::context, [&] {
    if (state().events.count(event) == 0) return result_invalid_value;
    if (event->work != nullptr) run_until(*event->work, event->ticket);
    return state().context_error;
  });
}

int cuEventElapsedTime(float* milliseconds, CUevent start, CUevent end) {
  return driver_call("cuEventElapsedTime", needs::context, [&] {
    for (CUevent event : {start, end}) {
      if (state().events.count(event) == 0 || event->work == nullptr) return result_invalid_value;
      if (event->work->done() < event->ticket) return result_not_ready;
    }
    *milliseconds = std::chrono::duration<float, std::milli>(*end->time - *start->time).count();
    return result_ok;
  });
}

int cuLaunchKernel(CUfunction function, unsigned grid_x, unsigned grid_y, unsigned grid_z, unsigned block_x,
                   unsigned block_y, unsigned block_z, unsigned shared_bytes, CUstream stream, void** parameters,
                   void** extra) {
  return driver_call("cuLaunchKernel", needs::context, [&] {
    if (extra != nullptr) return result_invalid_value;
    const emulator::launch launch{nullptr, {grid_x, grid_y, grid_z}, {block_x, block_y, block_z}, shared_bytes, nullptr,
                                  nullptr};
    return launch_kernel(function, launch, stream, parameters);
  });
}
