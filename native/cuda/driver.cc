#include "cuda/driver.h"

#include <cstdlib>
#include <mutex>

#include "cuda/failure.h"
#include "cuda/shared_library.h"

namespace cosface::cuda {
namespace {

#ifdef _WIN32
constexpr const char* default_file = "nvcuda.dll";
#else
constexpr const char* default_file = "libcuda.so.1";
#endif

[[noreturn]] void unavailable(const std::string& reason) { throw failure(COSFACE_ERROR_DEVICE_UNAVAILABLE, reason); }

std::string driver_file() {
  const char* file = std::getenv("COSFACE_CUDA_DRIVER");
  return file == nullptr || *file == '\0' ? default_file : file;
}

driver find_functions(const std::string& file) {
  std::string error;
  void* library = open_library(file, &error);
  if (library == nullptr)
    unavailable("there is no NVIDIA driver: " + error +
                ". Install it; in a container, start that with the GPUs (docker run --gpus all).");
  driver found;
  std::string missing;
#define COSFACE_LOOK_UP(member, name, parameters) \
  if (!look_up(library, #name, &found.member)) missing += " " #name;
  COSFACE_CUDA_DRIVER(COSFACE_LOOK_UP)
#undef COSFACE_LOOK_UP
  if (!missing.empty())
    unavailable("the NVIDIA driver " + file + " lacks" + missing + ". Install one for CUDA 12 or later.");
  found.file = file;
  return found;
}

std::string no_device_reason() {
  const char* visible = std::getenv("CUDA_VISIBLE_DEVICES");
  return "the NVIDIA driver sees no GPU" +
         (visible == nullptr ? std::string(". nvidia-smi should list one.")
                             : " because CUDA_VISIBLE_DEVICES is '" + std::string(visible) + "', or there is none.");
}

void initialise(driver& driver) {
  if (const int result = driver.driver_version(&driver.version); result != result_ok)
    unavailable("the NVIDIA driver does not tell its version: " + describe_result(driver, result) + ".");
  const int result = driver.init(0);
  if (result == result_ok) return;
  if (result == result_no_device) unavailable(no_device_reason());
  if (result == result_stub_library)
    unavailable(driver.file + " is the stub of a CUDA toolkit, not a driver. Take its folder out of LD_LIBRARY_PATH.");
  if (result == result_system_driver_mismatch)
    unavailable("the NVIDIA driver's library and its kernel module are of different versions. Restart the machine.");
  if (result == result_not_initialized)
    unavailable("the NVIDIA driver cannot be used after fork(). Start the process with spawn or exec.");
  unavailable("the NVIDIA driver cannot start: " + describe_result(driver, result) + ". Run nvidia-smi.");
}

}  // namespace

const driver& open_driver() {
  static std::mutex mutex;
  // Never destroyed: a call may still run while the process leaves main.
  static const driver* opened = nullptr;
  const std::lock_guard lock(mutex);
  if (opened == nullptr) {
    driver found = find_functions(driver_file());
    initialise(found);
    opened = new driver(found);
  }
  return *opened;
}

std::string describe_result(const driver& driver, int result) {
  const char* name = nullptr;
  const char* text = nullptr;
  driver.error_name(result, &name);
  driver.error_text(result, &text);
  if (name == nullptr) return "CUDA error " + std::to_string(result);
  return text == nullptr ? name : std::string(name) + " (" + text + ")";
}

}  // namespace cosface::cuda
