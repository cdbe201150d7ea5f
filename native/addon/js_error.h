// The errors that leave the addon: Error objects with `code` and, where they apply, `argument` and
// `index`. src/native/addon.ts makes CosFaceErrors of them.
#pragma once

#include <napi.h>

#include <cstdint>
#include <string>

#include "cosface/margin_softmax.h"

namespace cosface {

struct error_place {
  std::string argument;  // empty: none
  int64_t index = -1;    // flat index into the argument, -1: none
};

Napi::Error js_error(Napi::Env env, const std::string& code, const std::string& message, const error_place& place = {});
Napi::Error js_error(Napi::Env env, const cosface_error& error);

inline void require_ok(Napi::Env env, cosface_status status, const cosface_error& error) {
  if (status != COSFACE_OK) throw js_error(env, error);
}

}  // namespace cosface
