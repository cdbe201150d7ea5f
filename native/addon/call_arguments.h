// Reading one property of a call object, with the words of what is wrong with it.
#pragma once

#include <napi.h>

#include <cstdint>
#include <string>

#include "cosface/margin_softmax.h"

namespace cosface {

// "a Float32Array", "the number 3", "null", ...
std::string kind_of(const Napi::Value& value);

// Throws COSFACE_DTYPE, naming `what`.
Napi::Object require_object(const Napi::Value& value, const char* what);

// `fallback` where undefined. Throws COSFACE_OPTION_RANGE for what is no number.
double read_number(const Napi::Value& value, const char* name, double fallback);

struct integer_range {
  double low, high;
  const char* code;
};

constexpr double largest_safe_integer = 9007199254740991.0;
// D as the C ABI allows it, so that N * D and C * D fit in int64_t.
constexpr integer_range dim_range{1, 1 << 24, "COSFACE_SHAPE"};
constexpr integer_range class_range{1, INT32_MAX, "COSFACE_SHAPE"};
constexpr integer_range dimension_range{0, largest_safe_integer, "COSFACE_SHAPE"};
constexpr integer_range int32_range{INT32_MIN, INT32_MAX, "COSFACE_OPTION_RANGE"};
// K as the C ABI allows it: it divides a length before the C ABI sees it.
constexpr integer_range sub_center_range{1, 1024, "COSFACE_OPTION_RANGE"};
constexpr integer_range byte_range{0, largest_safe_integer, "COSFACE_OPTION_RANGE"};

// Throws range.code for a number outside the range or with a fraction.
int64_t read_integer(const Napi::Value& value, const char* name, int64_t fallback, const integer_range& range);

// The property as a boolean; `fallback` where absent. Throws COSFACE_OPTION_RANGE for any other kind.
bool read_flag(const Napi::Object& call, const char* name, bool fallback = false);

struct choice {
  const char* name;
  int value;
};

// The value of a name; `fallback` where undefined. Throws COSFACE_OPTION_RANGE, which lists the names.
int read_choice(const Napi::Value& value, const char* name, int fallback, const choice* choices, size_t count);
template <size_t count>
int read_choice(const Napi::Value& value, const char* name, int fallback, const choice (&choices)[count]) {
  return read_choice(value, name, fallback, choices, count);
}

// The property `isa`.
cosface_isa read_isa(const Napi::Object& call);

// An argument array. The bytes are looked at only after every property has been read, because a getter may
// detach a buffer that was looked at before.
struct array_argument {
  const char* name;
  Napi::Value value;
  void* data = nullptr;
  size_t length = 0;

  array_argument(const char* name, const Napi::Value& value) : name(name), value(value) {}
  array_argument(const Napi::Object& call, const char* property) : array_argument(property, call.Get(property)) {}

  // A property of an object that may be empty.
  static array_argument within(const Napi::Object& owner, const char* property) {
    return {property, owner.IsEmpty() ? Napi::Value() : owner.Get(property)};
  }

  bool given() const { return !value.IsUndefined() && !value.IsNull(); }
  // Throws COSFACE_DTYPE, COSFACE_SHARED_BUFFER or COSFACE_DETACHED.
  void open(napi_typedarray_type wanted);
  // These throw COSFACE_SHAPE.
  [[noreturn]] void reject_length(const std::string& expected) const;
  void require_length(int64_t wanted, const char* reason) const;

  template <typename T>
  T* as() const {
    return static_cast<T*>(data);
  }
};

}  // namespace cosface
