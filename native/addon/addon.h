// The Node-API surface of cosface.node. src/native/addon.ts has its types.
#pragma once

#include <napi.h>

#include "addon/search_job.h"

namespace cosface {

// One per environment (main thread, each worker, each load); holds no state.
class addon : public Napi::Addon<addon> {
 public:
  addon(Napi::Env env, Napi::Object exports);

 private:
  Napi::Value margin_softmax(const Napi::CallbackInfo& info);
  Napi::Value margin_softmax_async(const Napi::CallbackInfo& info);
  template <read_search& read>
  Napi::Value search(const Napi::CallbackInfo& info) {
    return run_search_here(info, read);
  }
  template <read_search& read>
  Napi::Value search_async(const Napi::CallbackInfo& info) {
    return start_search_job(info, read);
  }
  Napi::Value plan(const Napi::CallbackInfo& info);
  Napi::Value info(const Napi::CallbackInfo& info);
  Napi::Value fma_rate(const Napi::CallbackInfo& info);
  Napi::Value memory_rate(const Napi::CallbackInfo& info);
  template <Napi::Value (&function)(const Napi::CallbackInfo&)>
  Napi::Value call(const Napi::CallbackInfo& info) {
    return function(info);
  }
  template <void (&function)(const Napi::CallbackInfo&)>
  void call(const Napi::CallbackInfo& info) {
    function(info);
  }
  void release_workspace(const Napi::CallbackInfo& info);
};

}  // namespace cosface
