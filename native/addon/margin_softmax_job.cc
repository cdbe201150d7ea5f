#include "addon/margin_softmax_job.h"

#include <cstdio>
#include <utility>

#include "addon/buffer.h"
#include "addon/js_error.h"

namespace cosface {
namespace {

int64_t weight_count(const margin_softmax_call& call) {
  return call.problem.classes * call.options.sub_centers * call.problem.dim;
}

int64_t bias_count(const margin_softmax_call& call) {
  return call.options.form == COSFACE_FORM_BINARY ? 1 : call.problem.classes;
}

struct input_copies {
  buffer<float> embeddings, weights, sample_weights, sample_m1, sample_m2, sample_m3, loss_gradient, bias;
  buffer<int32_t> labels, class_ids;

  bool copy(const margin_softmax_call& call) {
    const cosface_margin_softmax_problem& p = call.problem;
    return embeddings.copy(p.embeddings, p.batch * p.dim) && weights.copy(p.weights, weight_count(call)) &&
           bias.copy(p.bias, bias_count(call)) && labels.copy(p.labels, p.batch) &&
           sample_weights.copy(p.sample_weights, p.batch) && sample_m1.copy(p.sample_m1, p.batch) &&
           sample_m2.copy(p.sample_m2, p.batch) && sample_m3.copy(p.sample_m3, p.batch) &&
           loss_gradient.copy(p.loss_gradient, p.batch) && class_ids.copy(p.class_ids, p.class_count);
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
    p.bias = bias.data.get();
    p.class_ids = class_ids.data.get();
  }
};

struct outputs {
  buffer<float> loss, target_cosine, d_embeddings, d_weights, d_bias;
  buffer<float> d_sample_weights, d_sample_m1, d_sample_m2, d_sample_m3;
  buffer<int32_t> prediction;

  bool allocate(const margin_softmax_call& call, const planned_job& job) {
    const cosface_margin_softmax_problem& p = call.problem;
    if (!loss.allocate(p.batch) || !target_cosine.allocate(p.batch) || !prediction.allocate(p.batch)) return false;
    if (job.d_embeddings && !d_embeddings.allocate(p.batch * p.dim)) return false;
    const int64_t weights = p.class_ids == nullptr ? weight_count(call) : p.class_count * p.dim;
    if (job.d_weights && !(d_weights.allocate(weights) && (p.bias == nullptr || d_bias.allocate(bias_count(call)))))
      return false;
    return !job.sample_gradients || (d_sample_weights.allocate(p.batch) && d_sample_m1.allocate(p.batch) &&
                                     d_sample_m2.allocate(p.batch) && d_sample_m3.allocate(p.batch));
  }

  void point(cosface_margin_softmax_results& r) const {
    r.loss = loss.data.get();
    r.target_cosine = target_cosine.data.get();
    r.prediction = prediction.data.get();
    r.d_embeddings = d_embeddings.data.get();
    r.d_weights = d_weights.data.get();
    r.d_bias = d_bias.data.get();
    r.d_sample_weights = d_sample_weights.data.get();
    r.d_sample_m1 = d_sample_m1.data.get();
    r.d_sample_m2 = d_sample_m2.data.get();
    r.d_sample_m3 = d_sample_m3.data.get();
  }

  // Those that were allocated.
  void deliver_to(Napi::Object& result) {
    const Napi::Env env = result.Env();
    const struct {
      const char* name;
      buffer<float>& values;
    } floats[] = {{"loss", loss},
                  {"targetCosine", target_cosine},
                  {"dEmbeddings", d_embeddings},
                  {"dWeights", d_weights},
                  {"dBias", d_bias},
                  {"dSampleWeights", d_sample_weights},
                  {"dSampleM1", d_sample_m1},
                  {"dSampleM2", d_sample_m2},
                  {"dSampleM3", d_sample_m3}};
    for (const auto& output : floats)
      if (output.values.data != nullptr) result.Set(output.name, deliver<Napi::Float32Array>(env, output.values));
    result.Set("prediction", deliver<Napi::Int32Array>(env, prediction));
  }
};

cosface_error out_of_memory(const char* what) {
  cosface_error error{};
  error.status = COSFACE_ERROR_OUT_OF_MEMORY;
  error.index = -1;
  std::snprintf(error.message, sizeof error.message,
                "no memory for the %s of an asynchronous call. Use the one without Async, which works on the caller's "
                "arrays, or fewer samples or classes at a time.",
                what);
  return error;
}

class margin_softmax_job final : public Napi::AsyncWorker {
 public:
  margin_softmax_job(Napi::Env env, const margin_softmax_call& call, planned_job&& job, input_copies&& inputs)
      : Napi::AsyncWorker(env, "cosface.marginSoftmax"),
        deferred_(Napi::Promise::Deferred::New(env)),
        call_(call),
        job_(std::move(job)),
        inputs_(std::move(inputs)) {}

  Napi::Promise promise() const { return deferred_.Promise(); }

 protected:
  void Execute() override {
    if (!outputs_.allocate(call_, job_)) {
      error_ = out_of_memory("results");
      return;
    }
    inputs_.point(call_.problem);
    outputs_.point(call_.results);
    job_.run(call_, error_);
  }

  void OnOK() override {
    const Napi::Env env = Env();
    if (error_.status != COSFACE_OK) {
      deferred_.Reject(js_error(env, error_).Value());
      return;
    }
    Napi::Object result = summary_of(env, call_.results);
    outputs_.deliver_to(result);
    deferred_.Resolve(result);
  }

  // Only what Execute throws comes here, and it throws nothing of its own: a system that refuses more.
  void OnError(const Napi::Error& error) override {
    deferred_.Reject(js_error(Env(), "COSFACE_OUT_OF_MEMORY", error.Message()).Value());
  }

 private:
  Napi::Promise::Deferred deferred_;
  margin_softmax_call call_;
  planned_job job_;
  input_copies inputs_;
  outputs outputs_;
  cosface_error error_{};
};

}  // namespace

Napi::Promise start_margin_softmax_job(Napi::Env env, const margin_softmax_call& call, planned_job planned) {
  input_copies inputs;
  if (!inputs.copy(call)) throw js_error(env, out_of_memory("input copies"));
  auto* job = new margin_softmax_job(env, call, std::move(planned), std::move(inputs));
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
