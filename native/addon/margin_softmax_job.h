// One asynchronous call: inputs copied, run on libuv's pool, outputs given to the promise.
#pragma once

#include <napi.h>

#include <functional>

#include "addon/margin_softmax_call.h"

namespace cosface {

// A call that is planned: `run` reads no environment and touches no JavaScript.
struct planned_job {
  // Outputs that the job makes room for beside loss, target cosine and prediction.
  bool d_embeddings = false;
  bool d_weights = false;         // and of the bias, where there is one
  bool sample_gradients = false;  // of sample weights and margins
  std::function<cosface_status(margin_softmax_call&, cosface_error&)> run;
};

// Copies every input before it returns, so that the caller may change, transfer or drop its arrays. Throws Napi::Error:
// COSFACE_OUT_OF_MEMORY where the copies do not fit.
Napi::Promise start_margin_softmax_job(Napi::Env env, const margin_softmax_call& call, planned_job job);

// { reducedLoss, counted, zeroEmbeddings, zeroWeights }
Napi::Object summary_of(Napi::Env env, const cosface_margin_softmax_results& results);

}  // namespace cosface
