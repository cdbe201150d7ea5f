#include "addon/margin_softmax_job.h"

#include <cstdio>
#include <utility>

#include "addon/buffer.h"
#include "addon/js_error.h"
#include "addon/margin_softmax_run.h"

namespace cosface {
namespace {

struct input_copies {
  buffer<float> embeddings, weights, sample_weights, sample_m1, sample_m2, sample_m3, loss_gradient;
  buffer<int32_t> labels;

  bool copy(const cosface_margin_softmax_problem& p) {
    return embeddings.copy(p.embeddings, p.batch * p.dim) && weights.copy(p.weights, p.classes * p.dim) &&
           labels.copy(p.labels, p.batch) && sample_weights.copy(p.sample_weights, p.batch) &&
           sample_m1.copy(p.sample_m1, p.batch) && sample_m2.copy(p.sample_m2, p.batch) &&
           sample_m3.copy(p.sample_m3, p.batch) && loss_gradient.copy(p.loss_gradient, p.batch);
  }

  void point(cosface_margin_softmax_problem& p) const {
    p.embeddings = embeddings.data.get();
    p.weights = weights.data.get();
    p.labels = labels.data.get();
    p.sample_weights = sample_weights.data.get();
    p.sample_m1 = sample_m1.data.get();
    p.sample_m2 = sample_m2.data.get();
    p.sample_m3 = sample_m3.data.get();
    p.loss_gradient = loss_gradient.data.get();
  }
};

struct outputs {
  buffer<float> loss, target_cosine, d_embeddings, d_weights;
  buffer<int32_t> prediction;

  bool allocate(const cosface_margin_softmax_problem& p, bool with_gradients) {
    return loss.allocate(p.batch) && target_cosine.allocate(p.batch) && prediction.allocate(p.batch) &&
           (!with_gradients || (d_embeddings.allocate(p.batch * p.dim) && d_weights.allocate(p.classes * p.dim)));
  }

  void point(cosface_margin_softmax_results& r) const {
    r.loss = loss.data.get();
    r.target_cosine = target_cosine.data.get();
    r.prediction = prediction.data.get();
    r.d_embeddings = d_embeddings.data.get();
    r.d_weights = d_weights.data.get();
  }
};

cosface_error out_of_memory(const char* what) {
  cosface_error error{};
  error.status = COSFACE_ERROR_OUT_OF_MEMORY;
  error.index = -1;
  std::snprintf(error.message, sizeof error.message,
                "no memory for the %s of marginSoftmaxAsync. Use marginSoftmax, which works on the caller's arrays, or "
                "fewer samples or classes at a time.",
                what);
  return error;
}

class margin_softmax_job final : public Napi::AsyncWorker {
 public:
  margin_softmax_job(Napi::Env env, const margin_softmax_call& call, const margin_softmax_run& run,
                     input_copies&& inputs, bool with_gradients)
      : Napi::AsyncWorker(env, "cosface.marginSoftmax"),
        deferred_(Napi::Promise::Deferred::New(env)),
        call_(call),
        run_(run),
        inputs_(std::move(inputs)),
        with_gradients_(with_gradients) {}

  Napi::Promise promise() const { return deferred_.Promise(); }

 protected:
  void Execute() override {
    if (!outputs_.allocate(call_.problem, with_gradients_)) {
      error_ = out_of_memory("results");
      return;
    }
    inputs_.point(call_.problem);
    outputs_.point(call_.results);
    run_.run(call_, error_);
  }

  void OnOK() override {
    const Napi::Env env = Env();
    if (error_.status != COSFACE_OK) {
      deferred_.Reject(js_error(env, error_).Value());
      return;
    }
    Napi::Object result = summary_of(env, call_.results);
    result.Set("loss", deliver<Napi::Float32Array>(env, outputs_.loss));
    result.Set("targetCosine", deliver<Napi::Float32Array>(env, outputs_.target_cosine));
    result.Set("prediction", deliver<Napi::Int32Array>(env, outputs_.prediction));
    if (with_gradients_) {
      result.Set("dEmbeddings", deliver<Napi::Float32Array>(env, outputs_.d_embeddings));
      result.Set("dWeights", deliver<Napi::Float32Array>(env, outputs_.d_weights));
    }
    deferred_.Resolve(result);
  }

  // Only what Execute throws comes here, and it throws nothing of its own: a system that refuses more.
  void OnError(const Napi::Error& error) override {
    deferred_.Reject(js_error(Env(), "COSFACE_OUT_OF_MEMORY", error.Message()).Value());
  }

 private:
  Napi::Promise::Deferred deferred_;
  margin_softmax_call call_;
  margin_softmax_run run_;
  input_copies inputs_;
  outputs outputs_;
  cosface_error error_{};
  bool with_gradients_;
};

}  // namespace

Napi::Promise start_margin_softmax_job(Napi::Env env, const margin_softmax_call& call, bool with_gradients) {
  // On this thread, because JavaScript may change the environment while the job runs.
  const margin_softmax_run run(env, call, with_gradients);
  input_copies inputs;
  if (!inputs.copy(call.problem)) throw js_error(env, out_of_memory("input copies"));
  auto* job = new margin_softmax_job(env, call, run, std::move(inputs), with_gradients);
  const Napi::Promise promise = job->promise();
  job->Queue();  // deletes the job after OnOK or OnError
  return promise;
}

Napi::Object summary_of(Napi::Env env, const cosface_margin_softmax_results& results) {
  Napi::Object summary = Napi::Object::New(env);
  summary.Set("reducedLoss", Napi::Number::New(env, results.reduced_loss));
  summary.Set("counted", Napi::Number::New(env, static_cast<double>(results.counted)));
  summary.Set("zeroEmbeddings", Napi::Number::New(env, static_cast<double>(results.zero_embeddings)));
  summary.Set("zeroWeights", Napi::Number::New(env, static_cast<double>(results.zero_weights)));
  return summary;
}

}  // namespace cosface
