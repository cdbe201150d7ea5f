#include "cuda/device.h"

#include <algorithm>
#include <utility>

namespace cosface::cuda {
namespace {

// The functions of driver.h are in every driver since this one.
constexpr int least_driver = 12000;

[[noreturn]] void unavailable(const std::string& reason) { throw failure(COSFACE_ERROR_DEVICE_UNAVAILABLE, reason); }

std::string version_text(int version) {
  return std::to_string(version / 1000) + "." + std::to_string(version % 1000 / 10);
}

std::string mebibytes(int64_t bytes) { return std::to_string(bytes >> 20) + " MiB"; }

// The first driver of a CUDA version on Linux, as NVIDIA's compatibility guide lists them; for people.
const char* driver_package(int version) { return version >= 13000 ? "580" : "525"; }

void require_version(const driver& driver, const device_image& image) {
  const int needed = std::max(least_driver, image.minimum_driver);
  if (driver.version >= needed) return;
  unavailable("the NVIDIA driver is too old: it is for CUDA " + version_text(driver.version) +
              ", these kernels need one for CUDA " + version_text(needed) + " or later. Install driver " +
              driver_package(needed) + " or later.");
}

int attribute(const driver& driver, int which, int number) {
  int value = 0;
  const int result = driver.device_attribute(&value, which, number);
  if (result != result_ok)
    unavailable("the NVIDIA driver does not describe the GPU: " + describe_result(driver, result) + ".");
  return value;
}

// The errors after which a context serves nobody in the process any more: every later call gives the same one.
bool ends_context(int result) { return result == 214 || result == 220 || (result >= 700 && result <= 721); }

}  // namespace

const char* kernel_symbol(kernel which) {
#define COSFACE_KERNEL_SYMBOL(name, params) "cosface_" #name,
  static constexpr const char* symbols[] = {COSFACE_CUDA_KERNELS(COSFACE_KERNEL_SYMBOL)};
#undef COSFACE_KERNEL_SYMBOL
  return symbols[static_cast<int>(which)];
}

int count_devices(const driver& driver) {
  int count = 0;
  const int result = driver.device_count(&count);
  if (result != result_ok && result != result_no_device)
    unavailable("the NVIDIA driver does not count its GPUs: " + describe_result(driver, result) + ".");
  return count;
}

device_properties read_properties(const driver& driver, int ordinal) {
  const int count = count_devices(driver);
  if (count == 0) unavailable("the NVIDIA driver sees no GPU. nvidia-smi should list one.");
  if (ordinal < 0 || ordinal >= count)
    unavailable("there is no GPU cuda:" + std::to_string(ordinal) + ", expected one of cuda:0 to cuda:" +
                std::to_string(count - 1) + " as CUDA_VISIBLE_DEVICES orders them.");
  int number = 0;
  char name[128] = "";
  size_t bytes = 0;
  for (const int result : {driver.device_get(&number, ordinal), driver.device_name(name, sizeof name, number),
                           driver.device_memory(&bytes, number)})
    if (result != result_ok)
      unavailable("the NVIDIA driver does not describe the GPU: " + describe_result(driver, result) + ".");
  return {.ordinal = ordinal,
          .name = name,
          .capability = 10 * attribute(driver, attribute_capability_major, number) +
                        attribute(driver, attribute_capability_minor, number),
          .multiprocessors = attribute(driver, attribute_multiprocessors, number),
          .shared_bytes_per_block = attribute(driver, attribute_shared_bytes_per_block_optin, number),
          .shared_bytes_per_multiprocessor = attribute(driver, attribute_shared_bytes_per_multiprocessor, number),
          .l2_bytes = attribute(driver, attribute_l2_bytes, number),
          .memory_bytes = static_cast<int64_t>(bytes)};
}

device::device(const driver& driver, int ordinal, const device_image& image) : driver_(driver) {
  require_version(driver, image);
  properties_ = read_properties(driver, ordinal);
  if (const int result = driver.device_get(&number_, ordinal); result != result_ok)
    unavailable("GPU " + properties_.name + " cannot be opened: " + describe_result(driver, result) + ".");
  const int result = driver.primary_context_retain(&context_, number_);
  if (result == result_out_of_memory)
    unavailable("GPU " + properties_.name + " has too little free memory for a context. Other processes hold it: see " +
                "nvidia-smi.");
  if (result == result_device_unavailable)
    unavailable("GPU " + properties_.name + " is held by another process alone (compute mode EXCLUSIVE_PROCESS).");
  if (result != result_ok)
    unavailable("GPU " + properties_.name + " gives no context: " + describe_result(driver, result) + ".");
  try {
    const context_scope scope(*this);
    load(image);
  } catch (...) {
    close();
    throw;
  }
}

device::~device() { close(); }

void device::load(const device_image& image) {
  const int result = driver_.module_load(&module_, image.data);
  if (result != result_ok) {
    module_ = nullptr;
    refuse_image(image, result);
  }
  for (int k = 0; k < kernel_count; k++) find_function(static_cast<kernel>(k));
}

void device::refuse_image(const device_image& image, int result) const {
  const std::string name = "GPU " + properties_.name + " (sm_" + std::to_string(properties_.capability) + ")";
  const std::string words = describe_result(driver_, result);
  if (!image.is_present)
    unavailable("this build of the CUDA library has no kernels for a GPU, it is for tests under emulation: " + words +
                ". Build it with -DCOSFACE_CUDA=ON.");
  if (result == result_no_binary_for_gpu)
    unavailable(name + " is of an architecture that these kernels were not compiled for: they are for " +
                image.architectures + ".");
  if (result == result_unsupported_ptx_version || result == result_invalid_ptx)
    unavailable(name + " is newer than these kernels (" + image.architectures +
                "), and the driver is too old to compile them for it: it is for CUDA " + version_text(driver_.version) +
                ", expected " + version_text(image.minimum_ptx_driver) + " or later.");
  if (result == result_out_of_memory) unavailable(name + " has too little free memory for the kernels.");
  unavailable(name + " refuses the kernels (" + image.architectures + "): " + words + ".");
}

void device::find_function(kernel which) {
  CUfunction& function = functions_[static_cast<int>(which)];
  const std::string symbol = kernel_symbol(which);
  if (const int result = driver_.module_function(&function, module_, symbol.c_str()); result != result_ok)
    unavailable("the kernels lack " + symbol + ": " + describe_result(driver_, result) +
                ". Build the CUDA library anew.");
  // Beyond 48 KiB dynamic shared memory must be asked for by function; what a launch takes is up to the launch.
  int fixed = 0;
  int result = driver_.function_attribute(&fixed, function_shared_bytes, function);
  if (result == result_ok)
    result = driver_.set_function_attribute(function, function_largest_dynamic_shared_bytes,
                                            static_cast<int>(properties_.shared_bytes_per_block) - fixed);
  if (result != result_ok)
    unavailable("the shared memory of " + symbol + " cannot be set: " + describe_result(driver_, result) + ".");
}

// What the driver refuses here is lost; there is nobody to tell.
void device::close() {
  if (context_ == nullptr) return;
  CUcontext popped = nullptr;
  if (module_ != nullptr && driver_.context_push(context_) == result_ok) {
    driver_.module_unload(module_);
    driver_.context_pop(&popped);
  }
  driver_.primary_context_release(number_);
  context_ = nullptr;
}

void device::check(int result, const std::string& doing) const {
  if (result == result_ok) return;
  const std::string words = describe_result(driver_, result) + " while " + doing + " on GPU " + properties_.name + ".";
  if (result == result_out_of_memory)
    throw failure(COSFACE_ERROR_OUT_OF_MEMORY, words + " Lower workspaceBytes or the batch size.", "workspaceBytes");
  throw failure(COSFACE_ERROR_DEVICE_FAILED,
                ends_context(result) ? words + " The GPU is lost to this process: start a new one." : words);
}

int64_t device::free_bytes() const {
  size_t free = 0, total = 0;
  check(driver_.memory_info(&free, &total), "asking for its free memory");
  return static_cast<int64_t>(free);
}

context_scope::context_scope(const device& device) : device_(device) {
  device.check(device.api().context_push(device.context()), "making its context current");
}

context_scope::~context_scope() {
  CUcontext popped = nullptr;
  device_.api().context_pop(&popped);
}

device_memory::device_memory(const device& device, int64_t bytes) : device_(&device), bytes_(bytes) {
  if (bytes == 0) return;
  device_address address = 0;
  const int result = device.api().allocate(&address, static_cast<size_t>(bytes));
  if (result == result_out_of_memory)
    throw failure(COSFACE_ERROR_OUT_OF_MEMORY,
                  "GPU " + device.properties().name + " has too little free memory: " + mebibytes(bytes) +
                      " more are needed, " + mebibytes(device.free_bytes()) + " of " +
                      mebibytes(device.properties().memory_bytes) +
                      " are free. Lower workspaceBytes or the batch size, or use device 'cpu'.",
                  "workspaceBytes");
  device.check(result, "allocating " + std::to_string(bytes) + " bytes");
  data_ = reinterpret_cast<std::byte*>(static_cast<uintptr_t>(address));
}

device_memory::~device_memory() {
  if (data_ != nullptr) device_->api().free(reinterpret_cast<uintptr_t>(data_));
}

device_memory::device_memory(device_memory&& other) noexcept
    : device_(other.device_), data_(std::exchange(other.data_, nullptr)), bytes_(std::exchange(other.bytes_, 0)) {}

device_memory& device_memory::operator=(device_memory&& other) noexcept {
  std::swap(device_, other.device_);
  std::swap(data_, other.data_);
  std::swap(bytes_, other.bytes_);
  return *this;
}

queue::queue(const cuda::device& device) : device_(device) {
  device.check(device.api().stream_create(&stream_, stream_non_blocking), "creating a stream");
}

queue::~queue() {
  if (owned_) device_.api().stream_destroy(stream_);
}

void queue::launch(kernel which, const launch_shape& shape, const void* params) {
  if (shape.grid_x == 0 || shape.grid_y == 0 || shape.grid_z == 0) return;
  void* parameters[] = {const_cast<void*>(params)};
  device_.check(device_.api().launch(device_.function(which), shape.grid_x, shape.grid_y, shape.grid_z, shape.block, 1,
                                     1, shape.shared_bytes, stream_, parameters, nullptr),
                std::string("launching ") + kernel_symbol(which));
}

namespace {
device_address address_of(const void* data) { return reinterpret_cast<uintptr_t>(data); }
}  // namespace

void queue::copy_to_device(void* to, const void* from, int64_t bytes) {
  if (bytes == 0) return;
  device_.check(device_.api().copy_to_device(address_of(to), from, static_cast<size_t>(bytes), stream_),
                "copying to the device");
}

void queue::copy_from_device(void* to, const void* from, int64_t bytes) {
  if (bytes == 0) return;
  device_.check(device_.api().copy_from_device(to, address_of(from), static_cast<size_t>(bytes), stream_),
                "copying from the device");
}

void queue::copy_on_device(void* to, const void* from, int64_t bytes) {
  if (bytes == 0) return;
  device_.check(device_.api().copy_on_device(address_of(to), address_of(from), static_cast<size_t>(bytes), stream_),
                "copying on the device");
}

void queue::clear(void* to, int64_t bytes) { fill_bytes(to, 0, bytes); }

void queue::fill_bytes(void* to, unsigned char value, int64_t bytes) {
  if (bytes == 0) return;
  device_.check(device_.api().fill_bytes(address_of(to), value, static_cast<size_t>(bytes), stream_),
                "clearing memory");
}

void queue::synchronize() { device_.check(device_.api().stream_synchronize(stream_), "waiting for its work"); }

}  // namespace cosface::cuda
