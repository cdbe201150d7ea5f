// One call of marginSoftmaxAsync: inputs copied, run on libuv's pool, outputs given to the promise.
#pragma once

#include <napi.h>

#include "addon/margin_softmax_call.h"

namespace cosface {

// Plans and copies every input before it returns, so that the caller may change the environment and change,
// transfer or drop its arrays. Throws Napi::Error: what planning refuses, or COSFACE_OUT_OF_MEMORY where the copies
// do not fit.
Napi::Promise start_margin_softmax_job(Napi::Env env, const margin_softmax_call& call, bool with_gradients);

// { reducedLoss, counted, zeroEmbeddings, zeroWeights }
Napi::Object summary_of(Napi::Env env, const cosface_margin_softmax_results& results);

}  // namespace cosface
