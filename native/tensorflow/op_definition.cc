#include "tensorflow/op_definition.h"

#include <algorithm>
#include <initializer_list>
#include <memory>
#include <string>
#include <vector>

#include "tensorflow/op_failure.h"

namespace cosface::tensorflow {
namespace {

class attribute_reader {
 public:
  attribute_reader(const tensorflow_api& api, TF_OpKernelConstruction* construction)
      : api_(api), construction_(construction) {}

  int64_t integer(const char* name) const {
    const scoped_status status(api_);
    int64_t value = 0;
    api_.construction_attr_int64(construction_, name, &value, status.get());
    require_ok(status);
    return value;
  }

  // The place of the value in its list: the enumerations of the C ABI count so. TensorFlow has checked the value
  // against the list in the op's definition.
  template <typename Choice>
  Choice choice(const char* name, std::initializer_list<const char*> values) const {
    const std::string value = string(name);
    const auto* found = std::find(values.begin(), values.end(), value);
    return static_cast<Choice>(found - values.begin());
  }

 private:
  std::string string(const char* name) const {
    const scoped_status status(api_);
    char value[16] = {};  // the longest is "bf16-gradients"
    api_.construction_attr_string(construction_, name, value, sizeof value - 1, status.get());
    require_ok(status);
    return value;
  }

  const tensorflow_api& api_;
  TF_OpKernelConstruction* construction_;
};

struct shape_route {
  int from;
  int64_t rank;
  int to;
};

void pass_shape_on(const tensorflow_api& api, TF_ShapeInferenceContext* context, const shape_route& route,
                   TF_Status* status) {
  const std::unique_ptr<TF_ShapeHandle, void (*)(TF_ShapeHandle*)> shape(api.new_shape_handle(),
                                                                         api.delete_shape_handle);
  const scoped_status local(api);
  api.shape_get_input(context, route.from, shape.get(), local.get());
  if (!local.ok()) return;
  api.shape_with_rank(context, shape.get(), route.rank, shape.get(), status);
  if (api.get_code(status) != code_ok) return;
  api.shape_set_output(context, route.to, shape.get(), local.get());
}

}  // namespace

TF_OpDefinitionBuilder* define_op(const tensorflow_api& api, bool forward) {
  TF_OpDefinitionBuilder* builder = api.new_op_definition_builder(forward ? forward_op : gradient_op);
  std::vector<const char*> inputs = {"embeddings: float",     "weights: float",   "labels: int32",
                                     "sample_weights: float", "sample_m1: float", "sample_m2: float",
                                     "sample_m3: float",      "bias: float",      "doubles: int32"};
  std::vector<const char*> outputs = {"gradients: num_gradients * float"};
  std::vector<const char*> attributes = {"ignore_label: int = -1",
                                         "reduction: {'none', 'mean', 'sum'} = 'mean'",
                                         "gradient: {'exact', 'detached'} = 'exact'",
                                         "precision: {'fp32', 'bf16-gradients', 'bf16'} = 'fp32'",
                                         "fallback: {'continuous', 'none', 'easy', 'hard'} = 'continuous'",
                                         "normalize_embeddings: int = 1",
                                         "normalize_weights: int = 1",
                                         "negatives: {'plain', 'curricular', 'mv-arc', 'mv-am'} = 'plain'",
                                         "sub_centers: int >= 1 = 1",
                                         "curve: {'cosine', 'circle', 'power'} = 'cosine'",
                                         "form: {'softmax', 'binary'} = 'softmax'",
                                         "bias_sign: int = 1"};
  if (forward) {
    outputs.insert(outputs.begin(), {"loss: float", "target_cosine: float", "prediction: int32"});
    attributes.push_back("num_gradients: int >= 0 = 0");
  } else {
    inputs.push_back("loss_gradient: float");
    attributes.push_back("num_gradients: int >= 2 = 2");
  }
  for (const char* input : inputs) api.op_definition_add_input(builder, input);
  for (const char* output : outputs) api.op_definition_add_output(builder, output);
  for (const char* attribute : attributes) api.op_definition_add_attr(builder, attribute);
  return builder;
}

void infer_shapes(const tensorflow_api& api, bool forward, TF_ShapeInferenceContext* context, TF_Status* status) {
  api.shape_set_unknown(context, status);
  const auto pass_on = [&](int from, int64_t rank, int to) {
    if (api.get_code(status) == code_ok) pass_shape_on(api, context, {from, rank, to}, status);
  };
  if (forward) {
    pass_on(input::labels, 1, 1);
    pass_on(input::labels, 1, 2);
  }
  pass_on(input::embeddings, 2, first_gradient(forward));
  pass_on(input::weights, 2, first_gradient(forward) + 1);
}

call_settings read_settings(const tensorflow_api& api, TF_OpKernelConstruction* construction, bool forward) {
  const attribute_reader attributes(api, construction);
  call_settings settings;
  cosface_margin_softmax_options& o = settings.options;
  cosface_margin_softmax_default_options(&o);
  o.reduction = attributes.choice<cosface_reduction>("reduction", {"none", "mean", "sum"});
  o.gradient = attributes.choice<cosface_gradient>("gradient", {"exact", "detached"});
  o.precision = attributes.choice<cosface_precision>("precision", {"fp32", "bf16-gradients", "bf16"});
  o.fallback = attributes.choice<cosface_fallback>("fallback", {"continuous", "none", "easy", "hard"});
  o.negatives = attributes.choice<cosface_negatives>("negatives", {"plain", "curricular", "mv-arc", "mv-am"});
  o.curve = attributes.choice<cosface_curve>("curve", {"cosine", "circle", "power"});
  o.form = attributes.choice<cosface_form>("form", {"softmax", "binary"});
  o.ignore_label = static_cast<int32_t>(attributes.integer("ignore_label"));
  o.normalize_embeddings = attributes.integer("normalize_embeddings") != 0;
  o.normalize_weights = attributes.integer("normalize_weights") != 0;
  o.sub_centers = attributes.integer("sub_centers");
  o.bias_sign = static_cast<int32_t>(attributes.integer("bias_sign"));
  settings.gradients = attributes.integer("num_gradients");
  if (forward && settings.gradients == 1)
    fail("COSFACE_OPTION_RANGE", "num_gradients is 1, expected 0 or at least 2", "num_gradients");
  return settings;
}

}  // namespace cosface::tensorflow
