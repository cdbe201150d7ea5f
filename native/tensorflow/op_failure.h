// What ends a callback of the op early, and how TensorFlow is told.
//
// No exception may leave a callback: the frames above belong to a library built without them, and the process would
// end. So everything inside throws `failure`, and `guarded` is the outermost frame of each callback.
#pragma once

#include <exception>
#include <new>
#include <string>

#include "cosface/margin_softmax.h"
#include "tensorflow/tensorflow_api.h"

namespace cosface::tensorflow {

class scoped_status {
 public:
  explicit scoped_status(const tensorflow_api& api) : api_(api), status_(api.new_status()) {}
  ~scoped_status() { api_.delete_status(status_); }
  scoped_status(const scoped_status&) = delete;
  scoped_status& operator=(const scoped_status&) = delete;

  TF_Status* get() const { return status_; }
  bool ok() const { return api_.get_code(status_) == code_ok; }
  std::string message() const { return api_.message(status_); }

 private:
  const tensorflow_api& api_;
  TF_Status* status_;
};

// A TF_Code and its message, `CODE: text {argument index}`. The braces carry argument and index to the JavaScript side,
// which cuts them off again.
struct failure {
  int code;
  std::string message;
};

[[noreturn]] void fail(const char* code, const std::string& text, const char* argument);
[[noreturn]] void fail(const cosface_error& error);

// Throws what TensorFlow itself refuses.
void require_ok(const scoped_status& status);

// Runs `body` and gives whatever leaves it to `report(TF_Status*)`.
template <typename Body, typename Report>
void guarded(const tensorflow_api& api, Body body, Report report) {
  const auto report_as = [&](int code, const char* message) {
    const scoped_status status(api);
    api.set_status(status.get(), code, message);
    report(status.get());
  };
  try {
    body();
  } catch (const failure& failure) {
    report_as(failure.code, failure.message.c_str());
  } catch (const std::bad_alloc&) {
    report_as(code_resource_exhausted, "COSFACE_OUT_OF_MEMORY: not enough memory for margin softmax {}");
  } catch (const std::exception& exception) {
    report_as(code_internal, exception.what());
  } catch (...) {
    report_as(code_internal, "unknown C++ exception in margin softmax");
  }
}

}  // namespace cosface::tensorflow
