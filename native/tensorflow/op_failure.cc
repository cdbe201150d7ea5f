#include "tensorflow/op_failure.h"

namespace cosface::tensorflow {
namespace {

int code_of(cosface_status status) {
  switch (status) {
    case COSFACE_ERROR_OUT_OF_MEMORY: return code_resource_exhausted;
    case COSFACE_ERROR_UNSUPPORTED: return code_unimplemented;
    case COSFACE_ERROR_DEVICE_UNAVAILABLE: return code_unavailable;
    case COSFACE_ERROR_DEVICE_FAILED: return code_internal;
    default: return code_invalid_argument;
  }
}

}  // namespace

void fail(const char* code, const std::string& text, const char* argument) {
  throw failure{code_invalid_argument, std::string(code) + ": " + text + " {" + argument + "}"};
}

void fail(const cosface_error& error) {
  std::string message = std::string(cosface_status_code(error.status)) + ": " + error.message + " {" + error.argument;
  if (error.index >= 0) message += " " + std::to_string(error.index);
  throw failure{code_of(error.status), message + "}"};
}

void require_ok(const scoped_status& status) {
  if (!status.ok()) throw failure{code_internal, "COSFACE_TENSORFLOW: " + status.message()};
}

}  // namespace cosface::tensorflow
