// One call of marginSoftmaxAsync: inputs copied, run on libuv's pool, outputs given to the promise.
#pragma once

#include <napi.h>

#include "addon/margin_softmax_call.h"

namespace cosface {

// Beside loss, target cosine and prediction.
struct wanted_results {
  bool gradients = false;         // of embeddings, weights and, where there is one, bias
  bool sample_gradients = false;  // of sample weights and margins
};

// Plans and copies every input before it returns, so that the caller may change the environment and change,
// transfer or drop its arrays. Throws Napi::Error: what planning refuses, or COSFACE_OUT_OF_MEMORY where the copies
// do not fit.
Napi::Promise start_margin_softmax_job(Napi::Env env, const margin_softmax_call& call, const wanted_results& wanted);

// { reducedLoss, counted, zeroEmbeddings, zeroWeights }
Napi::Object summary_of(Napi::Env env, const cosface_margin_softmax_results& results);

}  // namespace cosface
