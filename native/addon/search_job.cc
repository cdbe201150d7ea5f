#include "addon/search_job.h"

#include <utility>

#include "addon/js_error.h"

namespace cosface {
namespace {

class search_job final : public Napi::AsyncWorker {
 public:
  search_job(Napi::Env env, std::unique_ptr<search_work> work)
      : Napi::AsyncWorker(env, "cosface.search"),
        deferred_(Napi::Promise::Deferred::New(env)),
        work_(std::move(work)) {}

  Napi::Promise promise() const { return deferred_.Promise(); }

 protected:
  void Execute() override { work_->run(error_); }

  void OnOK() override {
    if (error_.status == COSFACE_OK)
      deferred_.Resolve(work_->result(Env()));
    else
      deferred_.Reject(js_error(Env(), error_).Value());
  }

  // Only what Execute throws comes here, and it throws nothing of its own: a system that refuses more.
  void OnError(const Napi::Error& error) override {
    deferred_.Reject(js_error(Env(), "COSFACE_OUT_OF_MEMORY", error.Message()).Value());
  }

 private:
  Napi::Promise::Deferred deferred_;
  std::unique_ptr<search_work> work_;
  cosface_error error_{};
};

}  // namespace

Napi::Value run_search_here(const Napi::CallbackInfo& info, read_search& read) {
  const std::unique_ptr<search_work> work = read(info[0]);
  cosface_error error{};
  if (work->run(error) != COSFACE_OK) throw js_error(info.Env(), error);
  return work->result(info.Env());
}

Napi::Value start_search_job(const Napi::CallbackInfo& info, read_search& read) {
  const Napi::Env env = info.Env();
  try {
    std::unique_ptr<search_work> work = read(info[0]);
    if (!work->copy_inputs())
      throw js_error(env, "COSFACE_OUT_OF_MEMORY",
                     "no memory for copies of the inputs. Use the function without Async, which works on the caller's "
                     "arrays, or fewer rows at a time.");
    auto* job = new search_job(env, std::move(work));
    const Napi::Promise promise = job->promise();
    job->Queue();  // deletes the job after OnOK or OnError
    return promise;
  } catch (const Napi::Error& error) {
    const auto deferred = Napi::Promise::Deferred::New(env);
    deferred.Reject(error.Value());
    return deferred.Promise();
  }
}

}  // namespace cosface
