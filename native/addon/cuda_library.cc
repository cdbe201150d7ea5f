#include "addon/cuda_library.h"

#include <cstdlib>
#include <fstream>
#include <map>
#include <mutex>
#include <optional>

#include "cuda/shared_library.h"

namespace cosface {
namespace {

constexpr const char* file_name = "cosface_cuda.node";

// Where this code was loaded from, with the last separator; empty where the system does not tell.
std::string own_folder() {
  static const char anchor = 0;
#ifdef _WIN32
  HMODULE module = nullptr;
  char path[MAX_PATH] = "";
  if (GetModuleHandleExA(GET_MODULE_HANDLE_EX_FLAG_FROM_ADDRESS | GET_MODULE_HANDLE_EX_FLAG_UNCHANGED_REFCOUNT, &anchor,
                         &module))
    GetModuleFileNameA(module, path, MAX_PATH);
  const std::string file = path;
#else
  Dl_info module;
  const std::string file = dladdr(&anchor, &module) != 0 && module.dli_fname != nullptr ? module.dli_fname : "";
#endif
  return file.substr(0, file.find_last_of("/\\") + 1);
}

struct opened {
  std::string file;
  const cosface_cuda_library* library = nullptr;
  std::string reason;
};

opened open(const std::string& file) {
  std::string error;
  void* handle = open_library(file, &error);
  if (handle == nullptr)
    return {file, nullptr, "there is no CUDA library: " + error + ". Build it: npx cosface build --cuda."};
  cosface_cuda_library_function* table = nullptr;
  if (!look_up(handle, COSFACE_CUDA_LIBRARY_SYMBOL, &table))
    return {file, nullptr, file + " is no CUDA library of cosface. Let COSFACE_CUDA_LIBRARY name one, or unset it."};
  const cosface_cuda_library* library = table();
  if (library->abi_version != COSFACE_CUDA_ABI_VERSION || library->margin_softmax_abi_version != COSFACE_ABI_VERSION)
    return {file, nullptr,
            file + " has ABI version " + std::to_string(library->abi_version) + "." +
                std::to_string(library->margin_softmax_abi_version) + ", expected " +
                std::to_string(COSFACE_CUDA_ABI_VERSION) + "." + std::to_string(COSFACE_ABI_VERSION) +
                ". Build it again together with the addon."};
  return {file, library, ""};
}

// Never destroyed: a job may still run while the process leaves main.
struct keeper {
  std::mutex mutex;
  std::string offered;
  std::optional<opened> library;
  std::map<int32_t, std::optional<std::string>> refusals;  // by ordinal; no text: the device can be used
};

keeper& the_keeper() {
  static keeper* instance = new keeper;
  return *instance;
}

std::string library_file(const std::string& offered) {
  static const std::string beside_the_addon = own_folder() + file_name;
  const char* file = std::getenv("COSFACE_CUDA_LIBRARY");
  if (file != nullptr && *file != '\0') return file;
  return offered.empty() || std::ifstream(beside_the_addon).good() ? beside_the_addon : offered;
}

std::optional<std::string> refusal_of(const cosface_cuda_library& library, int32_t ordinal) {
  cosface_error error{};
  if (library.score(ordinal, &error) > 0) return std::nullopt;
  return error.message;
}

}  // namespace

void offer_cuda_library(const std::string& file) {
  keeper& k = the_keeper();
  const std::lock_guard lock(k.mutex);
  k.offered = file;
}

const cosface_cuda_library* open_cuda_library(std::string* reason) {
  keeper& k = the_keeper();
  const std::lock_guard lock(k.mutex);
  const std::string file = library_file(k.offered);
  if (!k.library.has_value() || k.library->file != file) {
    k.library = open(file);
    k.refusals.clear();
  }
  *reason = k.library->reason;
  return k.library->library;
}

const cosface_cuda_library* use_cuda_device(int32_t ordinal, bool ask_again, std::string* reason) {
  const cosface_cuda_library* library = open_cuda_library(reason);
  if (library == nullptr) return nullptr;
  keeper& k = the_keeper();
  const std::lock_guard lock(k.mutex);
  auto known = k.refusals.find(ordinal);
  if (known == k.refusals.end() || (known->second.has_value() && ask_again))
    known = k.refusals.insert_or_assign(ordinal, refusal_of(*library, ordinal)).first;
  if (!known->second.has_value()) return library;
  *reason = *known->second;
  return nullptr;
}

void release_cuda_devices() {
  keeper& k = the_keeper();
  const std::lock_guard lock(k.mutex);
  k.refusals.clear();
  if (k.library.has_value() && k.library->library != nullptr) k.library->library->release();
}

}  // namespace cosface
