#include "addon/search_work.h"

#include <cstdio>
#include <string>

#include "addon/buffer.h"
#include "addon/call_arguments.h"
#include "addon/js_error.h"

namespace cosface {
namespace {

struct search_arrays {
  array_argument queries, gallery, query_labels, gallery_labels;

  explicit search_arrays(const Napi::Object& call)
      : queries(call, "queries"),
        gallery(call, "gallery"),
        query_labels(call, "queryLabels"),
        gallery_labels(call, "galleryLabels") {}

  void open();
  cosface_search_problem problem(int64_t dim) const;
};

void search_arrays::open() {
  queries.open(napi_float32_array);
  if (gallery.given()) gallery.open(napi_float32_array);
  for (array_argument* labels : {&query_labels, &gallery_labels})
    if (labels->given()) labels->open(napi_int32_array);
}

int64_t count_rows(const array_argument& rows, int64_t dim, int64_t least) {
  const int64_t length = static_cast<int64_t>(rows.length);
  if (length % dim != 0 || length / dim < least)
    rows.reject_length("a multiple of dim (" + std::to_string(dim) + ")" + (least > 0 ? " above 0" : "") +
                       ": one row for each vector");
  return length / dim;
}

cosface_search_problem search_arrays::problem(int64_t dim) const {
  cosface_search_problem p{};
  p.dim = dim;
  p.queries = count_rows(queries, dim, 0);
  p.query_rows = queries.as<float>();
  if (query_labels.given()) query_labels.require_length(p.queries, "one for each row of queries");
  p.query_labels = query_labels.as<int32_t>();
  if (!gallery.given()) {
    if (gallery_labels.given())
      gallery_labels.reject_length("none, because there is no gallery: queryLabels serve for both");
    return p;
  }
  p.gallery = count_rows(gallery, dim, 1);
  p.gallery_rows = gallery.as<float>();
  if (gallery_labels.given()) gallery_labels.require_length(p.gallery, "one for each row of gallery");
  p.gallery_labels = gallery_labels.as<int32_t>();
  return p;
}

cosface_error out_of_memory(const char* what) {
  cosface_error error{};
  error.status = COSFACE_ERROR_OUT_OF_MEMORY;
  error.index = -1;
  std::snprintf(error.message, sizeof error.message, "no memory for the %s. Search for fewer queries at a time.", what);
  return error;
}

cosface_search_options read_search_options(const Napi::Object& call) {
  cosface_search_options o;
  cosface_search_default_options(&o);
  o.isa = read_isa(call);
  o.threads = static_cast<int32_t>(read_integer(call.Get("threads"), "threads", o.threads, int32_range));
  o.workspace_bytes = read_integer(call.Get("workspaceBytes"), "workspaceBytes", o.workspace_bytes, byte_range);
  return o;
}

// Inputs and options; what is kept is the derived classes'.
class work_on_rows : public search_work {
 public:
  bool copy_inputs() override {
    if (!queries_.copy(problem_.query_rows, problem_.queries * problem_.dim) ||
        !gallery_.copy(problem_.gallery_rows, problem_.gallery * problem_.dim) ||
        !query_labels_.copy(problem_.query_labels, problem_.queries) ||
        !gallery_labels_.copy(problem_.gallery_labels, problem_.gallery))
      return false;
    problem_.query_rows = queries_.data.get();
    problem_.gallery_rows = gallery_.data.get();
    problem_.query_labels = query_labels_.data.get();
    problem_.gallery_labels = gallery_labels_.data.get();
    return true;
  }

 protected:
  // The getters of `call` have all run; from here on no JavaScript does.
  work_on_rows(Napi::Env env, search_arrays& arrays, int64_t dim, const cosface_search_options& options)
      : options_(options) {
    arrays.open();
    problem_ = arrays.problem(dim);
    cosface_error error{};
    if (options.threads >= 0 && cosface_search_read_environment(&options_, &error) != COSFACE_OK)
      throw js_error(env, error);
  }

  cosface_search_problem problem_{};
  cosface_search_options options_;

 private:
  buffer<float> queries_, gallery_;
  buffer<int32_t> query_labels_, gallery_labels_;
};

class top_k_work final : public work_on_rows {
 public:
  top_k_work(Napi::Env env, search_arrays& arrays, int64_t dim, const cosface_search_options& options, int64_t k)
      : work_on_rows(env, arrays, dim, options), k_(k) {}

  cosface_status run(cosface_error& error) override {
    // A k out of range is the C ABI's to refuse, before it writes anything.
    const int64_t count = k_ >= 1 && k_ <= problem_.gallery ? problem_.queries * k_ : 0;
    if (!indices_.allocate(count) || !scores_.allocate(count)) return (error = out_of_memory("results")).status;
    return cosface_top_k(&problem_, &options_, k_, indices_.data.get(), scores_.data.get(), nullptr, &error);
  }

  Napi::Value result(Napi::Env env) override {
    Napi::Object result = Napi::Object::New(env);
    result.Set("indices", deliver<Napi::Int32Array>(env, indices_));
    result.Set("scores", deliver<Napi::Float32Array>(env, scores_));
    return result;
  }

 private:
  int64_t k_;
  buffer<int32_t> indices_;
  buffer<float> scores_;
};

class count_above_work final : public work_on_rows {
 public:
  count_above_work(Napi::Env env, search_arrays& arrays, array_argument& thresholds, int64_t dim,
                   const cosface_search_options& options)
      : work_on_rows(env, arrays, dim, options) {
    thresholds.open(napi_float64_array);
    count_ = static_cast<int64_t>(thresholds.length);
    if (!thresholds_.copy(thresholds.as<double>(), count_) || !genuine_.allocate(count_) || !impostor_.allocate(count_))
      throw js_error(env, out_of_memory("counts"));
  }

  cosface_status run(cosface_error& error) override {
    counts_ = {genuine_.data.get(), impostor_.data.get(), 0, 0};
    return cosface_count_above(&problem_, &options_, thresholds_.data.get(), count_, &counts_, nullptr, &error);
  }

  Napi::Value result(Napi::Env env) override {
    Napi::Object result = Napi::Object::New(env);
    result.Set("genuine", as_numbers(env, genuine_));
    result.Set("impostor", as_numbers(env, impostor_));
    result.Set("genuinePairs", Napi::Number::New(env, static_cast<double>(counts_.genuine_pairs)));
    result.Set("impostorPairs", Napi::Number::New(env, static_cast<double>(counts_.impostor_pairs)));
    return result;
  }

 private:
  // Exact up to 2^53 pairs, which would take years.
  static Napi::Float64Array as_numbers(Napi::Env env, const buffer<int64_t>& counts) {
    Napi::Float64Array numbers = Napi::Float64Array::New(env, counts.length);
    for (size_t t = 0; t < counts.length; t++) numbers[t] = static_cast<double>(counts.data[t]);
    return numbers;
  }

  int64_t count_ = 0;
  buffer<double> thresholds_;
  buffer<int64_t> genuine_, impostor_;
  cosface_pair_counts counts_{};
};

class impostor_thresholds_work final : public work_on_rows {
 public:
  impostor_thresholds_work(Napi::Env env, search_arrays& arrays, array_argument& rates, int64_t dim,
                           const cosface_search_options& options)
      : work_on_rows(env, arrays, dim, options) {
    rates.open(napi_float64_array);
    const int64_t count = static_cast<int64_t>(rates.length);
    if (!rates_.copy(rates.as<double>(), count) || !thresholds_.allocate(count))
      throw js_error(env, out_of_memory("thresholds"));
  }

  cosface_status run(cosface_error& error) override {
    return cosface_impostor_thresholds(&problem_, &options_, rates_.data.get(), static_cast<int64_t>(rates_.length),
                                       thresholds_.data.get(), &pairs_, nullptr, &error);
  }

  Napi::Value result(Napi::Env env) override {
    Napi::Object result = Napi::Object::New(env);
    result.Set("thresholds", deliver<Napi::Float64Array>(env, thresholds_));
    result.Set("pairs", Napi::Number::New(env, static_cast<double>(pairs_)));
    return result;
  }

 private:
  buffer<double> rates_, thresholds_;
  int64_t pairs_ = 0;
};

template <class work>
std::unique_ptr<search_work> read_pairs(const Napi::Value& value, const char* doubles) {
  const Napi::Object call = require_object(value, "call");
  const cosface_search_options options = read_search_options(call);
  const int64_t dim = read_integer(call.Get("dim"), "dim", 0, dim_range);
  array_argument own(call, doubles);
  search_arrays arrays(call);
  return std::make_unique<work>(value.Env(), arrays, own, dim, options);
}

constexpr integer_range count_range{0, INT32_MAX, "COSFACE_OPTION_RANGE"};

}  // namespace

std::unique_ptr<search_work> read_top_k(const Napi::Value& value) {
  const Napi::Object call = require_object(value, "call");
  const cosface_search_options options = read_search_options(call);
  const int64_t dim = read_integer(call.Get("dim"), "dim", 0, dim_range);
  const int64_t k = read_integer(call.Get("k"), "k", 0, count_range);
  search_arrays arrays(call);
  if (!arrays.gallery.given()) arrays.gallery.open(napi_float32_array);  // says that it is missing
  return std::make_unique<top_k_work>(value.Env(), arrays, dim, options, k);
}

std::unique_ptr<search_work> read_count_above(const Napi::Value& value) {
  return read_pairs<count_above_work>(value, "thresholds");
}

std::unique_ptr<search_work> read_impostor_thresholds(const Napi::Value& value) {
  return read_pairs<impostor_thresholds_work>(value, "falseAcceptRates");
}

}  // namespace cosface
