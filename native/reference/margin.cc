#include "reference/margin.h"

namespace cosface {

margined_cosine apply_margin(double cosine, const margins& m, cosface_gradient gradient) {
  return margined_cosine_of(cosine, m, gradient == COSFACE_GRADIENT_DETACHED);
}

margins sample_margins_of(const margins& common, cosface_margin_term term, const float* sample_margin) {
  return sample_margin == nullptr ? common : replace_margin(common, term, *sample_margin);
}

}  // namespace cosface
