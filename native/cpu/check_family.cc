// The options beyond the margins: their ranges, and which go together.
#include <cmath>

#include "cpu/check.h"
#include "reference/negative_logit.h"

namespace cosface {
namespace {

struct number_range {
  const char* name;
  double value, low, high;
};

cosface_status check_range(const number_range& r, cosface_error* error) {
  if (r.value >= r.low && r.value <= r.high) return COSFACE_OK;
  return fill_error(error, COSFACE_ERROR_OPTION, r.name, -1, "%s is %g, expected a number in [%g, %g].", r.name,
                    r.value, r.low, r.high);
}

cosface_status check_choices(const cosface_margin_softmax_options& o, cosface_error* error) {
  const struct {
    const char *name, *choices;
    int value, largest;
  } choices[] = {{"fallback", "continuous, none, easy or hard", o.fallback, COSFACE_FALLBACK_HARD},
                 {"negatives.kind", "plain, curricular, mv-arc or mv-am", o.negatives, COSFACE_NEGATIVES_MV_AM},
                 {"curve", "cosine, circle or power", o.curve, COSFACE_CURVE_POWER},
                 {"form", "softmax or binary", o.form, COSFACE_FORM_BINARY}};
  for (const auto& c : choices)
    if (c.value < 0 || c.value > c.largest)
      return fill_error(error, COSFACE_ERROR_OPTION, c.name, -1, "%s is %d, expected %s.", c.name, c.value, c.choices);
  return COSFACE_OK;
}

cosface_status check_numbers(const cosface_margin_softmax_options& o, cosface_error* error) {
  const bool curricular = o.negatives == COSFACE_NEGATIVES_CURRICULAR, hard = o.negatives != COSFACE_NEGATIVES_PLAIN;
  const bool power = o.curve == COSFACE_CURVE_POWER, binary = o.form == COSFACE_FORM_BINARY;
  const number_range ranges[] = {
      {"annealing", o.annealing, 0, 1e6},
      {"negatives.t", hard ? o.negatives_t : 0, curricular ? -1.0 : 0.0, curricular ? 1 : 1e3},
      {"subCenters", static_cast<double>(o.sub_centers), 1, 1024},
      {"curve.exponent", power ? o.curve_exponent : 1, 1, 16},
      {"positiveWeight", binary ? o.positive_weight : 0, 0, 1e6},
      {"negativeWeight", binary ? o.negative_weight : 0, 0, 1e6},
      {"negativeMargin", binary ? o.negative_margin : 0, -2, 2}};
  for (const number_range& range : ranges)
    if (auto s = check_range(range, error)) return s;
  if (!(o.label_smoothing >= 0 && o.label_smoothing < 1))
    return fill_error(error, COSFACE_ERROR_OPTION, "labelSmoothing", -1,
                      "labelSmoothing is %g, expected a number in [0, 1).", o.label_smoothing);
  if (!(o.interclass_filter > -1))
    return fill_error(error, COSFACE_ERROR_OPTION, "interclassFilter", -1,
                      "interclassFilter is %g, expected a cosine in (-1, 1], or more for none.", o.interclass_filter);
  if (binary && o.bias_sign != 1 && o.bias_sign != -1)
    return fill_error(error, COSFACE_ERROR_OPTION, "biasSign", -1, "biasSign is %d, expected 1 or -1.", o.bias_sign);
  return COSFACE_OK;
}

// The name of an option that compares or bends cosines; null where none is on.
const char* option_of_cosines(const cosface_margin_softmax_options& o) {
  return filters_classes(o)                       ? "interclassFilter"
         : o.negatives != COSFACE_NEGATIVES_PLAIN ? "negatives"
         : o.curve != COSFACE_CURVE_COSINE        ? "curve"
                                                  : nullptr;
}

cosface_status unsupported(const char* argument, const char* with, cosface_error* error) {
  return fill_error(error, COSFACE_ERROR_UNSUPPORTED, argument, -1,
                    "%s cannot be combined with %s in a fused kernel. Leave out one of them, or use the composed "
                    "operations of the TensorFlow.js functions.",
                    argument, with);
}

// What has no meaning together, and what the fused form cannot do: docs/math.md, section 11.
cosface_status check_combinations(const cosface_margin_softmax_options& o, cosface_error* error) {
  const char* of_cosines = option_of_cosines(o);
  if (of_cosines != nullptr && !(o.normalize_embeddings && o.normalize_weights))
    return fill_error(error, COSFACE_ERROR_OPTION, of_cosines, -1,
                      "%s is about cosines, but normalizeEmbeddings or normalizeWeights is false. Normalise both, or "
                      "leave %s out.",
                      of_cosines, of_cosines);
  const bool binary = o.form == COSFACE_FORM_BINARY;
  if (binary && o.gradient_tolerance > 0)
    return fill_error(error, COSFACE_ERROR_OPTION, "gradientTolerance", -1,
                      "gradientTolerance is %g, expected 0 with the binary form, which has no probabilities to leave "
                      "out.",
                      o.gradient_tolerance);
  if (o.label_smoothing == 0) return COSFACE_OK;
  if (binary)
    return fill_error(error, COSFACE_ERROR_OPTION, "labelSmoothing", -1,
                      "labelSmoothing is %g, expected 0 with the binary form.", o.label_smoothing);
  if (of_cosines != nullptr) return unsupported("labelSmoothing", of_cosines, error);
  if (o.sub_centers > 1) return unsupported("labelSmoothing", "subCenters", error);
  return COSFACE_OK;
}

}  // namespace

cosface_status check_family(const cosface_margin_softmax_options& o, cosface_error* error) {
  if (auto s = check_choices(o, error)) return s;
  if (auto s = check_numbers(o, error)) return s;
  return check_combinations(o, error);
}

cosface_status check_classes(const cosface_margin_softmax_problem& p, const cosface_margin_softmax_options& o,
                             cosface_error* error) {
  if (p.classes * o.sub_centers > largest_count)
    return fill_error(error, COSFACE_ERROR_SHAPE, "classes", -1,
                      "classes (C) times subCenters (K) is %lld, expected at most %lld.",
                      static_cast<long long>(p.classes * o.sub_centers), static_cast<long long>(largest_count));
  const bool bias_of_classes = p.bias != nullptr && o.form == COSFACE_FORM_SOFTMAX;
  if (p.class_ids != nullptr && o.sub_centers > 1) return unsupported("classIds", "subCenters", error);
  if (p.class_ids != nullptr && bias_of_classes) return unsupported("classIds", "bias", error);
  if (bias_of_classes && !has_plain_negatives(o))
    return unsupported("bias", o.curve == COSFACE_CURVE_COSINE ? "negatives" : "curve", error);
  return COSFACE_OK;
}

}  // namespace cosface
