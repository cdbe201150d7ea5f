// One call of topK, countAbove or impostorThresholds: read from JavaScript, run, given back. What differs between them
// is what they keep; where they run is search_job's matter.
#pragma once

#include <napi.h>

#include <memory>

#include "cosface/cosine_search.h"

namespace cosface {

class search_work {
 public:
  virtual ~search_work() = default;
  search_work(const search_work&) = delete;
  search_work& operator=(const search_work&) = delete;

  // Inputs of its own, so that the caller may change, transfer or drop its arrays. False where memory ran out.
  virtual bool copy_inputs() = 0;
  // No Node-API here: runs on any thread, reads no environment variable.
  virtual cosface_status run(cosface_error& error) = 0;
  virtual Napi::Value result(Napi::Env env) = 0;

 protected:
  search_work() = default;
};

// Every pointer is into the caller's arrays: valid until JavaScript runs again, or inputs are copied. Throw Napi::Error
// with COSFACE_DTYPE, COSFACE_SHAPE, COSFACE_DETACHED, COSFACE_SHARED_BUFFER, COSFACE_OPTION_RANGE,
// COSFACE_ENVIRONMENT or COSFACE_UNSUPPORTED.
using read_search = std::unique_ptr<search_work>(const Napi::Value& call);
read_search read_top_k, read_count_above, read_impostor_thresholds;

}  // namespace cosface
