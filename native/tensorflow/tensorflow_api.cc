#include "tensorflow/tensorflow_api.h"

#ifndef _WIN32
#include <dlfcn.h>
#endif

namespace cosface::tensorflow {

#define COSFACE_PRESENT(result, member, name, parameters) &&member != nullptr
bool tensorflow_api::infers_shapes() const { return true COSFACE_TENSORFLOW_OPTIONAL(COSFACE_PRESENT); }

bool tensorflow_api::has_gpu_kernels() const { return true COSFACE_TENSORFLOW_GPU(COSFACE_PRESENT); }
#undef COSFACE_PRESENT

#ifdef _WIN32

bool find_tensorflow_api(const std::string&, tensorflow_api*, std::string* error) {
  *error = "the TensorFlow op is not supported on Windows yet; the loss runs as composed TensorFlow.js ops there";
  return false;
}

bool pin_module_of(const void*, std::string* error) {
  *error = "the TensorFlow op is not supported on Windows yet";
  return false;
}

#else

namespace {

std::string last_loader_error() {
  const char* text = dlerror();
  return text == nullptr ? "unknown dlopen error" : text;
}

// dlsym hands out void*; POSIX guarantees that it holds a function pointer.
template <typename Function>
bool look_up(void* module, const char* name, Function* function) {
  *function = reinterpret_cast<Function>(dlsym(module, name));
  return *function != nullptr;
}

}  // namespace

bool find_tensorflow_api(const std::string& binding_path, tensorflow_api* api, std::string* error) {
  // RTLD_NOLOAD: a second TensorFlow that tfjs-node does not use would be worse than none. The handle
  // is never closed, so that the library outlives the functions registered in it.
  void* module = dlopen(binding_path.c_str(), RTLD_LAZY | RTLD_NOLOAD);
  if (module == nullptr) {
    dlerror();
    *error = binding_path + " is not loaded in this process; import @tensorflow/tfjs-node first";
    return false;
  }
  std::string missing;
#define COSFACE_LOOK_UP(result, member, name, parameters) \
  if (!look_up(module, #name, &api->member)) missing += " " #name;
  COSFACE_TENSORFLOW_REQUIRED(COSFACE_LOOK_UP)
#undef COSFACE_LOOK_UP
  if (!missing.empty()) {
    dlclose(module);
    *error = "the TensorFlow library behind " + binding_path + " lacks" + missing +
             "; run `npx cosface setup-tensorflow` to install one that has them";
    return false;
  }
#define COSFACE_LOOK_UP(result, member, name, parameters) look_up(module, #name, &api->member);
  COSFACE_TENSORFLOW_OPTIONAL(COSFACE_LOOK_UP)
  COSFACE_TENSORFLOW_GPU(COSFACE_LOOK_UP)
#undef COSFACE_LOOK_UP
  return true;
}

bool pin_module_of(const void* address, std::string* error) {
  Dl_info module;
  if (dladdr(address, &module) == 0 || module.dli_fname == nullptr) {
    *error = "the addon could not find its own file to keep itself loaded";
    return false;
  }
  // NOLOAD with NODELETE changes the flag of the module in memory. Without NOLOAD, a file that was
  // rebuilt meanwhile could be opened as a second copy, leaving the first one unpinned.
  if (dlopen(module.dli_fname, RTLD_LAZY | RTLD_NOLOAD | RTLD_NODELETE) == nullptr) {
    *error = "the addon could not keep itself loaded: " + last_loader_error();
    return false;
  }
  return true;
}

#endif

}  // namespace cosface::tensorflow
