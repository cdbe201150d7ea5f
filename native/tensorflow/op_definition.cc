#include "tensorflow/op_definition.h"

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

  // TensorFlow has checked the value against the list in the op's definition.
  std::string string(const char* name) const {
    const scoped_status status(api_);
    char value[16] = {};  // the longest is "bf16-gradients"
    api_.construction_attr_string(construction_, name, value, sizeof value - 1, status.get());
    require_ok(status);
    return value;
  }

 private:
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
  std::vector<const char*> inputs = {"embeddings: float",     "weights: float",        "labels: int32",
                                     "sample_weights: float", "sample_margins: float", "doubles: int32"};
  std::vector<const char*> outputs = {"d_embeddings: float", "d_weights: float"};
  std::vector<const char*> attributes = {"ignore_label: int = -1", "reduction: {'none', 'mean', 'sum'} = 'mean'",
                                         "gradient: {'exact', 'detached'} = 'exact'",
                                         "sample_margin_term: {'m1', 'm2', 'm3'} = 'm3'",
                                         "precision: {'fp32', 'bf16-gradients', 'bf16'} = 'fp32'"};
  if (forward) {
    outputs = {"loss: float", "target_cosine: float", "prediction: int32", "gradients: num_gradients * float"};
    attributes.push_back("num_gradients: int >= 0 = 0");
  } else {
    inputs.push_back("loss_gradient: float");
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
  cosface_margin_softmax_default_options(&settings.options);
  const std::string reduction = attributes.string("reduction");
  settings.options.reduction = reduction == "none"   ? COSFACE_REDUCTION_NONE
                               : reduction == "mean" ? COSFACE_REDUCTION_MEAN
                                                     : COSFACE_REDUCTION_SUM;
  settings.options.gradient =
      attributes.string("gradient") == "exact" ? COSFACE_GRADIENT_EXACT : COSFACE_GRADIENT_DETACHED;
  const std::string term = attributes.string("sample_margin_term");
  settings.sample_margin_term = term == "m1" ? COSFACE_MARGIN_M1 : term == "m2" ? COSFACE_MARGIN_M2 : COSFACE_MARGIN_M3;
  const std::string precision = attributes.string("precision");
  settings.options.precision = precision == "fp32"   ? COSFACE_PRECISION_FP32
                               : precision == "bf16" ? COSFACE_PRECISION_BF16
                                                     : COSFACE_PRECISION_BF16_GRADIENTS;
  settings.options.ignore_label = static_cast<int32_t>(attributes.integer("ignore_label"));
  if (!forward) return settings;
  const int64_t gradients = attributes.integer("num_gradients");
  if (gradients != 0 && gradients != 2) {
    fail("COSFACE_OPTION_RANGE", "num_gradients is " + std::to_string(gradients) + ", expected 0 or 2",
         "num_gradients");
  }
  settings.gradients = gradients == 2;
  return settings;
}

}  // namespace cosface::tensorflow
