// Margin softmax as ops of the TensorFlow that tfjs-node has loaded.
#pragma once

#include <string>

namespace cosface::tensorflow {

enum class registration {
  registered,  // by this call
  already,     // before, by this addon or by another copy of it
  failed,      // see the error
};

// Registers the ops CosfaceMarginSoftmaxV1 and CosfaceMarginSoftmaxGradV1, for the CPU, in the TensorFlow
// library that the loaded module `binding_path` (tfjs_binding.node) depends on. May be called from any
// thread and any number of times. Pins the addon: TensorFlow keeps pointers into it until the process ends.
registration register_op(const std::string& binding_path, std::string* error);

}  // namespace cosface::tensorflow
