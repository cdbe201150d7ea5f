#include "addon/margin_softmax_call.h"

#include <cmath>
#include <cstdint>
#include <iterator>
#include <string>

#include "addon/js_error.h"

namespace cosface {
namespace {

constexpr double largest_safe_integer = 9007199254740991.0;

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

bool is_absent(const Napi::Value& value) { return value.IsUndefined() || value.IsNull(); }

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

struct integer_range {
  double low, high;
  const char* code;
};

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

// D as the C ABI allows it, so that N * D and C * D fit in int64_t.
constexpr integer_range dim_range{1, 1 << 24, "COSFACE_SHAPE"};
constexpr integer_range dimension_range{0, largest_safe_integer, "COSFACE_SHAPE"};
constexpr integer_range int32_range{INT32_MIN, INT32_MAX, "COSFACE_OPTION_RANGE"};
constexpr integer_range byte_range{0, largest_safe_integer, "COSFACE_OPTION_RANGE"};

struct choice {
  const char* name;
  int value;
};

template <size_t count>
int read_choice(const Napi::Value& value, const char* name, int fallback, const choice (&choices)[count]) {
  if (value.IsUndefined()) return fallback;
  const std::string given = value.IsString() ? value.As<Napi::String>().Utf8Value() : kind_of(value);
  std::string expected;
  for (const choice& c : choices) {
    if (value.IsString() && given == c.name) return c.value;
    expected += (expected.empty() ? "'" : ", '") + std::string(c.name) + "'";
  }
  throw js_error(value.Env(), "COSFACE_OPTION_RANGE",
                 std::string(name) + " is " + (value.IsString() ? "'" + given + "'" : given) + ", expected one of " +
                     expected + ".",
                 {name});
}

constexpr choice reductions[] = {
    {"none", COSFACE_REDUCTION_NONE}, {"mean", COSFACE_REDUCTION_MEAN}, {"sum", COSFACE_REDUCTION_SUM}};
constexpr choice gradients[] = {{"exact", COSFACE_GRADIENT_EXACT}, {"detached", COSFACE_GRADIENT_DETACHED}};
constexpr choice margin_terms[] = {{"m1", COSFACE_MARGIN_M1}, {"m2", COSFACE_MARGIN_M2}, {"m3", COSFACE_MARGIN_M3}};
constexpr choice precisions[] = {{"fp32", COSFACE_PRECISION_FP32},
                                 {"bf16-gradients", COSFACE_PRECISION_BF16_GRADIENTS},
                                 {"bf16", COSFACE_PRECISION_BF16}};
constexpr choice isas[] = {
    {"auto", COSFACE_ISA_AUTO},     {"scalar", COSFACE_ISA_SCALAR},           {"avx2", COSFACE_ISA_AVX2},
    {"avx512", COSFACE_ISA_AVX512}, {"avx512_bf16", COSFACE_ISA_AVX512_BF16}, {"neon", COSFACE_ISA_NEON}};

// An argument array. The bytes are looked at only after every property has been read, because a getter may
// detach a buffer that was looked at before.
struct array_argument {
  const char* name;
  Napi::Value value;
  void* data = nullptr;
  size_t length = 0;

  array_argument(const Napi::Object& call, const char* property) : name(property), value(call.Get(property)) {}

  bool given() const { return !is_absent(value); }
  void open(napi_typedarray_type wanted);
  [[noreturn]] void reject_length(const std::string& expected) const;
  void require_length(int64_t wanted, const char* reason) const;

  template <typename T>
  T* as() const {
    return static_cast<T*>(data);
  }
};

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

bool overlap(const array_argument& a, const array_argument& b) {
  // Float32Array and Int32Array alike: 4 bytes an element.
  const auto a_begin = reinterpret_cast<uintptr_t>(a.data), b_begin = reinterpret_cast<uintptr_t>(b.data);
  return a.length > 0 && b.length > 0 && a_begin < b_begin + 4 * b.length && b_begin < a_begin + 4 * a.length;
}

struct call_arrays {
  array_argument embeddings, weights, labels, sample_weights, sample_margins, loss_gradient;
  array_argument loss, target_cosine, prediction, d_embeddings, d_weights;

  explicit call_arrays(const Napi::Object& call)
      : embeddings(call, "embeddings"),
        weights(call, "weights"),
        labels(call, "labels"),
        sample_weights(call, "sampleWeights"),
        sample_margins(call, "sampleMargins"),
        loss_gradient(call, "lossGradient"),
        loss(call, "loss"),
        target_cosine(call, "targetCosine"),
        prediction(call, "prediction"),
        d_embeddings(call, "dEmbeddings"),
        d_weights(call, "dWeights") {}

  void open_all();
  void require_lengths(const cosface_margin_softmax_problem& problem) const;
  void require_no_overlap() const;
};

void call_arrays::open_all() {
  for (array_argument* required : {&embeddings, &weights}) required->open(napi_float32_array);
  labels.open(napi_int32_array);
  for (array_argument* optional :
       {&sample_weights, &sample_margins, &loss_gradient, &loss, &target_cosine, &d_embeddings, &d_weights})
    if (optional->given()) optional->open(napi_float32_array);
  if (prediction.given()) prediction.open(napi_int32_array);
}

void call_arrays::require_lengths(const cosface_margin_softmax_problem& p) const {
  const std::string row = "dim (" + std::to_string(p.dim) + ")";
  const int64_t x_length = static_cast<int64_t>(embeddings.length), w_length = static_cast<int64_t>(weights.length);
  if (x_length != p.batch * p.dim) embeddings.reject_length("a multiple of " + row + ": one row for each sample");
  if (p.classes < 1 || w_length != p.classes * p.dim)
    weights.reject_length("a multiple of " + row + " above 0: one row for each class");
  labels.require_length(p.batch, "one for each row of embeddings");
  for (const array_argument* of_samples :
       {&sample_weights, &sample_margins, &loss_gradient, &loss, &target_cosine, &prediction})
    if (of_samples->given()) of_samples->require_length(p.batch, "one for each row of embeddings");
  if (d_embeddings.given()) d_embeddings.require_length(x_length, "as embeddings");
  if (d_weights.given()) d_weights.require_length(w_length, "as weights");
}

void call_arrays::require_no_overlap() const {
  const array_argument* outputs[] = {&loss, &target_cosine, &prediction, &d_embeddings, &d_weights};
  const array_argument* inputs[] = {&embeddings, &weights, &labels, &sample_weights, &sample_margins, &loss_gradient};
  const auto reject = [](const array_argument& output, const array_argument& other) {
    throw js_error(output.value.Env(), "COSFACE_SHAPE",
                   std::string(output.name) + " shares memory with " + other.name + ", expected memory of its own.",
                   {output.name});
  };
  for (size_t k = 0; k < std::size(outputs); k++) {
    for (const array_argument* input : inputs)
      if (overlap(*outputs[k], *input)) reject(*outputs[k], *input);
    for (size_t j = 0; j < k; j++)
      if (overlap(*outputs[k], *outputs[j])) reject(*outputs[k], *outputs[j]);
  }
}

cosface_margin_softmax_options read_options(const Napi::Object& call) {
  cosface_margin_softmax_options o;
  cosface_margin_softmax_default_options(&o);
  o.scale = read_number(call.Get("scale"), "scale", o.scale);
  o.m1 = read_number(call.Get("m1"), "m1", o.m1);
  o.m2 = read_number(call.Get("m2"), "m2", o.m2);
  o.m3 = read_number(call.Get("m3"), "m3", o.m3);
  o.ignore_label =
      static_cast<int32_t>(read_integer(call.Get("ignoreLabel"), "ignoreLabel", o.ignore_label, int32_range));
  o.reduction =
      static_cast<cosface_reduction>(read_choice(call.Get("reduction"), "reduction", o.reduction, reductions));
  o.gradient = static_cast<cosface_gradient>(read_choice(call.Get("gradient"), "gradient", o.gradient, gradients));
  o.sample_margin_term = static_cast<cosface_margin_term>(
      read_choice(call.Get("sampleMarginTerm"), "sampleMarginTerm", o.sample_margin_term, margin_terms));
  o.isa = static_cast<cosface_isa>(read_choice(call.Get("isa"), "isa", o.isa, isas));
  o.precision =
      static_cast<cosface_precision>(read_choice(call.Get("precision"), "precision", o.precision, precisions));
  o.gradient_tolerance = read_number(call.Get("gradientTolerance"), "gradientTolerance", o.gradient_tolerance);
  o.threads = static_cast<int32_t>(read_integer(call.Get("threads"), "threads", o.threads, int32_range));
  o.workspace_bytes = read_integer(call.Get("workspaceBytes"), "workspaceBytes", o.workspace_bytes, byte_range);
  return o;
}

}  // namespace

bool read_flag(const Napi::Object& call, const char* name) {
  const Napi::Value value = call.Get(name);
  if (value.IsUndefined()) return false;
  if (value.IsBoolean()) return value.As<Napi::Boolean>().Value();
  throw js_error(call.Env(), "COSFACE_OPTION_RANGE",
                 std::string(name) + " is " + kind_of(value) + ", expected a boolean.", {name});
}

margin_softmax_call read_margin_softmax_call(const Napi::Value& value) {
  const Napi::Object object = require_object(value, "call");
  margin_softmax_call call;
  call.options = read_options(object);
  const int64_t dim = read_integer(object.Get("dim"), "dim", 0, dim_range);
  call_arrays arrays(object);
  // No JavaScript runs from here on.
  arrays.open_all();

  cosface_margin_softmax_problem& p = call.problem;
  p.dim = dim;
  p.batch = static_cast<int64_t>(arrays.embeddings.length) / dim;
  p.classes = static_cast<int64_t>(arrays.weights.length) / dim;
  arrays.require_lengths(p);
  arrays.require_no_overlap();
  p.embeddings = arrays.embeddings.as<float>();
  p.weights = arrays.weights.as<float>();
  p.labels = arrays.labels.as<int32_t>();
  p.sample_weights = arrays.sample_weights.as<float>();
  p.sample_margins = arrays.sample_margins.as<float>();
  p.loss_gradient = arrays.loss_gradient.as<float>();
  call.results.loss = arrays.loss.as<float>();
  call.results.target_cosine = arrays.target_cosine.as<float>();
  call.results.prediction = arrays.prediction.as<int32_t>();
  call.results.d_embeddings = arrays.d_embeddings.as<float>();
  call.results.d_weights = arrays.d_weights.as<float>();
  return call;
}

plan_request read_plan_request(const Napi::Value& value) {
  const Napi::Object shape = require_object(value, "shape");
  plan_request request;
  request.options = read_options(shape);
  request.gradients = read_flag(shape, "gradients");
  request.problem.batch = read_integer(shape.Get("batch"), "batch", -1, dimension_range);
  request.problem.classes = read_integer(shape.Get("classes"), "classes", -1, dimension_range);
  request.problem.dim = read_integer(shape.Get("dim"), "dim", -1, dimension_range);
  return request;
}

rate_request read_rate_request(const Napi::Value& value) {
  const Napi::Object object = require_object(value, "request");
  rate_request request;
  request.options = read_options(object);
  request.seconds = read_number(object.Get("seconds"), "seconds", 0.01);
  request.array_bytes = read_integer(object.Get("arrayBytes"), "arrayBytes", 0, byte_range);
  return request;
}

}  // namespace cosface
