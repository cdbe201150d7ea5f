// What the WebAssembly module exports: src/wasm/module.ts calls it. JavaScript writes a call as two lists, numbers
// and addresses, whose order is src/wasm/call-lists.ts.
#include <cstdint>
#include <type_traits>

#include "cosface/margin_softmax.h"
#include "wasm/memory.h"

#define COSFACE_EXPORT(name) extern "C" __attribute__((export_name(#name)))

namespace {

using cosface::reserve_arena;

cosface_error last_error;
double summary[4];

// Reads a list from its front.
template <class element>
class reader {
 public:
  explicit reader(const element* next) : next_(next) {}

  template <class wanted>
  void into(wanted& field) {
    if constexpr (sizeof(element) == sizeof(uint32_t))
      field = reinterpret_cast<wanted>(static_cast<uintptr_t>(*next_++));
    else if constexpr (std::is_enum_v<wanted>)  // by way of a signed number: -1 is a name that is none
      field = static_cast<wanted>(static_cast<int32_t>(*next_++));
    else
      field = static_cast<wanted>(*next_++);
  }

  template <class... wanted>
  void all(wanted&... fields) {
    (into(fields), ...);
  }

 private:
  const element* next_;
};

}  // namespace

COSFACE_EXPORT(abiVersion) int32_t abi_version() { return COSFACE_ABI_VERSION; }

COSFACE_EXPORT(reserve) uint32_t reserve(double bytes) { return reserve_arena(bytes); }

// `addresses`: 0 for an array that is not there. Returns the status; see `summary` or `error`.
COSFACE_EXPORT(marginSoftmax) int32_t margin_softmax(const double* numbers, const uint32_t* addresses) {
  cosface_margin_softmax_problem p{};
  cosface_margin_softmax_options o;
  cosface_margin_softmax_results r{};
  cosface_margin_softmax_default_options(&o);
  reader<double>(numbers).all(p.batch, p.classes, p.dim, o.scale, o.m1, o.m2, o.m3, o.ignore_label, o.reduction,
                              o.gradient, o.precision, o.gradient_tolerance, o.fallback, o.annealing,
                              o.normalize_embeddings, o.normalize_weights, o.label_smoothing, o.interclass_filter,
                              o.negatives, o.negatives_t, o.sub_centers, o.curve, o.curve_exponent, o.form,
                              o.positive_weight, o.negative_weight, o.negative_margin, o.bias_sign);
  // Fewer bits are a permission, which the kernels of this module do not use.
  if (o.precision == COSFACE_PRECISION_BF16 || o.precision == COSFACE_PRECISION_BF16_GRADIENTS)
    o.precision = COSFACE_PRECISION_FP32;
  reader<uint32_t>(addresses).all(p.embeddings, p.weights, p.labels, p.sample_weights, p.sample_m1, p.sample_m2,
                                  p.sample_m3, p.loss_gradient, p.bias, r.loss, r.target_cosine, r.prediction,
                                  r.d_embeddings, r.d_weights, r.d_bias, r.d_sample_weights, r.d_sample_m1,
                                  r.d_sample_m2, r.d_sample_m3);
  const cosface_status status = cosface_margin_softmax(&p, &o, &r, &last_error);
  summary[0] = r.reduced_loss;
  summary[1] = static_cast<double>(r.counted);
  summary[2] = static_cast<double>(r.zero_embeddings);
  summary[3] = static_cast<double>(r.zero_weights);
  return status;
}

// reducedLoss, counted, zeroEmbeddings, zeroWeights of the last call.
COSFACE_EXPORT(summary) const double* last_summary() { return summary; }

// Of the last call that failed; texts end with 0.
COSFACE_EXPORT(errorCode) const char* error_code() { return cosface_status_code(last_error.status); }
COSFACE_EXPORT(errorArgument) const char* error_argument() { return last_error.argument; }
COSFACE_EXPORT(errorIndex) double error_index() { return static_cast<double>(last_error.index); }
COSFACE_EXPORT(errorMessage) const char* error_message() { return last_error.message; }
