#include "reference/margin.h"

namespace cosface {

margined_cosine apply_margin(double cosine, const margins& m, cosface_gradient gradient) {
  return margined_cosine_of(cosine, m, gradient == COSFACE_GRADIENT_DETACHED);
}

}  // namespace cosface
