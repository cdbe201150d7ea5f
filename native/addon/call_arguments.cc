#include "addon/call_arguments.h"

#include <cmath>

#include "addon/js_error.h"

namespace cosface {
namespace {

const char* typed_array_name(napi_typedarray_type type) {
  switch (type) {
    case napi_int8_array: return "Int8Array";
    case napi_uint8_array: return "Uint8Array";
    case napi_uint8_clamped_array: return "Uint8ClampedArray";
    case napi_int16_array: return "Int16Array";
    case napi_uint16_array: return "Uint16Array";
    case napi_int32_array: return "Int32Array";
    case napi_uint32_array: return "Uint32Array";
    case napi_float32_array: return "Float32Array";
    case napi_float64_array: return "Float64Array";
    case napi_bigint64_array: return "BigInt64Array";
    case napi_biguint64_array: return "BigUint64Array";
    default: return "TypedArray of another kind";
  }
}

std::string with_article(const char* name) { return (name[0] == 'I' ? "an " : "a ") + std::string(name); }

constexpr choice isas[] = {
    {"auto", COSFACE_ISA_AUTO},     {"scalar", COSFACE_ISA_SCALAR},           {"avx2", COSFACE_ISA_AVX2},
    {"avx512", COSFACE_ISA_AVX512}, {"avx512_bf16", COSFACE_ISA_AVX512_BF16}, {"neon", COSFACE_ISA_NEON}};

}  // namespace

std::string kind_of(const Napi::Value& value) {
  if (value.IsTypedArray()) return with_article(typed_array_name(value.As<Napi::TypedArray>().TypedArrayType()));
  if (value.IsArray()) return "a plain array";
  if (value.IsUndefined()) return "undefined";
  if (value.IsNull()) return "null";
  if (value.IsString()) return "a string";
  if (value.IsNumber()) return "the number " + value.ToString().Utf8Value();
  if (value.IsBoolean()) return "a boolean";
  if (value.IsFunction()) return "a function";
  return value.IsObject() ? "an object" : "another kind of value";
}

Napi::Object require_object(const Napi::Value& value, const char* what) {
  if (value.IsObject() && !value.IsFunction()) return value.As<Napi::Object>();
  throw js_error(value.Env(), "COSFACE_DTYPE", std::string(what) + " is " + kind_of(value) + ", expected an object.",
                 {what});
}

double read_number(const Napi::Value& value, const char* name, double fallback) {
  if (value.IsUndefined()) return fallback;
  if (value.IsNumber()) return value.As<Napi::Number>().DoubleValue();
  throw js_error(value.Env(), "COSFACE_OPTION_RANGE",
                 std::string(name) + " is " + kind_of(value) + ", expected a number.", {name});
}

int64_t read_integer(const Napi::Value& value, const char* name, int64_t fallback, const integer_range& range) {
  const double number = read_number(value, name, static_cast<double>(fallback));
  // Rejects NaN too; the cast below is undefined outside the range.
  if (number >= range.low && number <= range.high && number == std::floor(number)) return static_cast<int64_t>(number);
  throw js_error(value.Env(), range.code,
                 std::string(name) + " is " + value.ToString().Utf8Value() + ", expected a whole number in [" +
                     std::to_string(static_cast<int64_t>(range.low)) + ", " +
                     std::to_string(static_cast<int64_t>(range.high)) + "].",
                 {name});
}

int read_choice(const Napi::Value& value, const char* name, int fallback, const choice* choices, size_t count) {
  if (value.IsUndefined()) return fallback;
  const std::string given = value.IsString() ? value.As<Napi::String>().Utf8Value() : kind_of(value);
  std::string expected;
  for (size_t n = 0; n < count; n++) {
    const choice& c = choices[n];
    if (value.IsString() && given == c.name) return c.value;
    expected += (expected.empty() ? "'" : ", '") + std::string(c.name) + "'";
  }
  throw js_error(value.Env(), "COSFACE_OPTION_RANGE",
                 std::string(name) + " is " + (value.IsString() ? "'" + given + "'" : given) + ", expected one of " +
                     expected + ".",
                 {name});
}

cosface_isa read_isa(const Napi::Object& call) {
  return static_cast<cosface_isa>(read_choice(call.Get("isa"), "isa", COSFACE_ISA_AUTO, isas));
}

bool read_flag(const Napi::Object& call, const char* name, bool fallback) {
  const Napi::Value value = call.Get(name);
  if (value.IsUndefined()) return fallback;
  if (value.IsBoolean()) return value.As<Napi::Boolean>().Value();
  throw js_error(call.Env(), "COSFACE_OPTION_RANGE",
                 std::string(name) + " is " + kind_of(value) + ", expected a boolean.", {name});
}

void array_argument::open(napi_typedarray_type wanted) {
  const Napi::Env env = value.Env();
  napi_typedarray_type type{};
  napi_value buffer_value{};
  const bool is_typed_array = value.IsTypedArray();
  if (is_typed_array && napi_get_typedarray_info(env, value, &type, &length, &data, &buffer_value, nullptr) != napi_ok)
    throw js_error(env, "COSFACE_DTYPE", std::string(name) + " cannot be read as a typed array.", {name});
  if (!is_typed_array || type != wanted)
    throw js_error(env, "COSFACE_DTYPE",
                   std::string(name) + " is " + kind_of(value) + ", expected " +
                       with_article(typed_array_name(wanted)) + ". Convert it once: " + typed_array_name(wanted) +
                       ".from(values).",
                   {name});
  const Napi::Value buffer(env, buffer_value);
  // A SharedArrayBuffer is not an ArrayBuffer to Node-API.
  if (!buffer.IsArrayBuffer())
    throw js_error(env, "COSFACE_SHARED_BUFFER",
                   std::string(name) +
                       " is a view of a SharedArrayBuffer, which another thread may change during the "
                       "call; expected a view of an ArrayBuffer. Pass a copy: array.slice().",
                   {name});
  if (buffer.As<Napi::ArrayBuffer>().IsDetached())
    throw js_error(env, "COSFACE_DETACHED",
                   std::string(name) +
                       " is a view of a detached ArrayBuffer (transferred to another thread, or a "
                       "WebAssembly memory that has grown); expected one that still has its bytes.",
                   {name});
}

void array_argument::reject_length(const std::string& expected) const {
  throw js_error(value.Env(), "COSFACE_SHAPE",
                 std::string(name) + " has length " + std::to_string(length) + ", expected " + expected + ".", {name});
}

void array_argument::require_length(int64_t wanted, const char* reason) const {
  if (static_cast<int64_t>(length) != wanted) reject_length(std::to_string(wanted) + ", " + reason);
}

}  // namespace cosface
