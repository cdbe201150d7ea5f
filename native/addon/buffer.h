// Arrays that a job owns and may hand to JavaScript.
#pragma once

#include <napi.h>

#include <algorithm>
#include <cstdint>
#include <memory>
#include <new>

namespace cosface {

// Elements without an initial value: the run writes every one of them. Null where memory ran out; a
// length of 0 has an address too.
template <typename T>
struct buffer {
  std::unique_ptr<T[]> data;
  size_t length = 0;

  bool allocate(int64_t count) {
    length = static_cast<size_t>(count);
    data.reset(new (std::nothrow) T[length > 0 ? length : 1]);
    return data != nullptr;
  }

  bool copy(const T* source, int64_t count) {
    if (source == nullptr) return true;
    if (!allocate(count)) return false;
    std::copy(source, source + count, data.get());
    return true;
  }
};

template <typename T>
void free_array(napi_env, void* data, void*) {
  delete[] static_cast<T*>(data);
}

// Hands the buffer to a JavaScript array; copies where this runtime (Electron) allows no external buffers.
template <typename array_type, typename T>
array_type deliver(Napi::Env env, buffer<T>& b) {
  if (b.length == 0) return array_type::New(env, 0);
  napi_value external{};
  if (napi_create_external_arraybuffer(env, b.data.get(), b.length * sizeof(T), free_array<T>, nullptr, &external) ==
      napi_ok) {
    b.data.release();
    return array_type::New(env, b.length, Napi::ArrayBuffer(env, external), 0);
  }
  array_type array = array_type::New(env, b.length);
  std::copy(b.data.get(), b.data.get() + b.length, array.Data());
  return array;
}

}  // namespace cosface
