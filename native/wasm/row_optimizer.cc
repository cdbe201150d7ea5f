// Heads whose centres lie in native memory are no part of this module, and so no call brings an optimiser.
#include "cpu/row_optimizer.h"

namespace cosface {

void row_optimizer::update(int64_t, const float*) const { __builtin_trap(); }

}  // namespace cosface
