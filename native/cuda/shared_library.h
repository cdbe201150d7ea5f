// Opening a library at run time and finding functions in it. Shared by the CUDA library, which opens the driver, and
// the addon, which opens the CUDA library.
#pragma once

#include <string>

#ifdef _WIN32
#include <windows.h>
#else
#include <dlfcn.h>
#endif

namespace cosface {

// Never closed by us: a driver keeps threads of its own. Null where it cannot be opened, with the system's words.
inline void* open_library(const std::string& file, std::string* error) {
#ifdef _WIN32
  void* library = LoadLibraryA(file.c_str());
  if (library == nullptr) *error = file + " cannot be opened (Windows error " + std::to_string(GetLastError()) + ")";
#else
  void* library = dlopen(file.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) {
    const char* text = dlerror();
    *error = text == nullptr ? file + " cannot be opened" : text;
  }
#endif
  return library;
}

// dlsym hands out void*; POSIX guarantees that it holds a function pointer.
template <typename Function>
bool look_up(void* library, const char* name, Function* function) {
#ifdef _WIN32
  *function = reinterpret_cast<Function>(reinterpret_cast<void*>(GetProcAddress(static_cast<HMODULE>(library), name)));
#else
  *function = reinterpret_cast<Function>(dlsym(library, name));
#endif
  return *function != nullptr;
}

}  // namespace cosface
