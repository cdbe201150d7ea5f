// Runs search work: on the calling thread, or on libuv's pool for a promise.
#pragma once

#include <napi.h>

#include "addon/search_work.h"

namespace cosface {

// Throws Napi::Error.
Napi::Value run_search_here(const Napi::CallbackInfo& info, read_search& read);

// Copies every input before it returns. Everything that is wrong rejects the promise; nothing is thrown.
Napi::Value start_search_job(const Napi::CallbackInfo& info, read_search& read);

}  // namespace cosface
