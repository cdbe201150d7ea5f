// The C ABI of the resident head: checks, memory, and a step of the job with an optimiser at its end.
#include "cosface/resident_head.h"

#include <cmath>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <mutex>
#include <new>

#include "cpu/check.h"
#include "cpu/planned_call.h"
#include "cpu/row_optimizer.h"

namespace cosface {
namespace {

struct memory_freer {
  void operator()(void* memory) const { std::free(memory); }
};
template <typename T>
using zeroed_array = std::unique_ptr<T[], memory_freer>;

// Zeros that the system gives page by page, when they are first written.
template <typename T>
bool allocate(zeroed_array<T>& array, int64_t count) {
  array.reset(static_cast<T*>(std::calloc(static_cast<size_t>(count), sizeof(T))));
  return array != nullptr;
}

cosface_status check_in_range(const char* argument, double value, bool holds, const char* range, cosface_error* error) {
  if (holds) return COSFACE_OK;
  return fill_error(error, COSFACE_ERROR_OPTION, argument, -1, "%s is %g, expected a number in %s.", argument, value,
                    range);
}

cosface_status check_fraction(const char* argument, double value, cosface_error* error) {
  return check_in_range(argument, value, value >= 0 && value < 1, "[0, 1)", error);
}

cosface_status check_rate(const char* argument, double value, cosface_error* error) {
  return check_in_range(argument, value, value >= 0 && value <= 1e6, "[0, 1e6]", error);
}

cosface_status check_head_options(const cosface_resident_head_options& o, cosface_error* error) {
  if (auto s = check_dimension("classes", "C", o.classes, 1, largest_count, error)) return s;
  if (auto s = check_dim(o.dim, error)) return s;
  if (o.optimizer == COSFACE_OPTIMIZER_SGD) return check_fraction("momentum", o.momentum, error);
  if (o.optimizer != COSFACE_OPTIMIZER_ADAMW)
    return fill_error(error, COSFACE_ERROR_OPTION, "optimizer", -1, "optimizer is %d, expected sgd or adamw.",
                      static_cast<int>(o.optimizer));
  if (auto s = check_fraction("beta1", o.beta1, error)) return s;
  if (auto s = check_fraction("beta2", o.beta2, error)) return s;
  return check_in_range("epsilon", o.epsilon, o.epsilon > 0 && o.epsilon <= 1, "(0, 1]", error);
}

}  // namespace
}  // namespace cosface

struct cosface_resident_head {
  cosface_resident_head_options options{};
  cosface::zeroed_array<float> weights, velocity, first_moment, second_moment;
  cosface::zeroed_array<int32_t> updates;
  std::mutex mutex;  // of one call at a time

  bool allocate() {
    const int64_t elements = options.classes * options.dim;
    if (!cosface::allocate(weights, elements)) return false;
    if (options.optimizer == COSFACE_OPTIMIZER_SGD)
      return options.momentum == 0 || cosface::allocate(velocity, elements);
    return cosface::allocate(first_moment, elements) && cosface::allocate(second_moment, elements) &&
           cosface::allocate(updates, options.classes);
  }

  void* part(cosface_resident_head_part part) const {
    switch (part) {
      case COSFACE_HEAD_WEIGHTS: return weights.get();
      case COSFACE_HEAD_VELOCITY: return velocity.get();
      case COSFACE_HEAD_FIRST_MOMENT: return first_moment.get();
      case COSFACE_HEAD_SECOND_MOMENT: return second_moment.get();
      case COSFACE_HEAD_UPDATES: return updates.get();
    }
    return nullptr;
  }
};

namespace cosface {
namespace {

int64_t row_bytes(const cosface_resident_head& head, cosface_resident_head_part part) {
  if (head.part(part) == nullptr) return 0;
  return part == COSFACE_HEAD_UPDATES ? 4 : head.options.dim * 4;
}

cosface_status find_rows(const cosface_resident_head& head, cosface_resident_head_part part, int64_t first,
                         int64_t count, char*& rows, cosface_error* error) {
  const int64_t bytes = row_bytes(head, part);
  if (bytes == 0)
    return fill_error(error, COSFACE_ERROR_OPTION, "part", -1, "the optimiser has no such part, expected one it has.");
  if (first < 0 || count < 0 || first > head.options.classes - count)
    return fill_error(error, COSFACE_ERROR_SHAPE, "firstClass", -1,
                      "rows [%lld, %lld + %lld) are wanted, expected rows in [0, %lld).", static_cast<long long>(first),
                      static_cast<long long>(first), static_cast<long long>(count),
                      static_cast<long long>(head.options.classes));
  rows = static_cast<char*>(head.part(part)) + first * bytes;
  return COSFACE_OK;
}

// The head has one row of D for each class, and no bias to move.
cosface_status check_dimensions(const cosface_resident_head& head, const cosface_margin_softmax_problem& p,
                                const cosface_margin_softmax_options& o, cosface_error* error) {
  const char* beyond = o.sub_centers > 1 ? "subCenters" : p.bias != nullptr ? "bias" : nullptr;
  if (beyond != nullptr)
    return fill_error(error, COSFACE_ERROR_UNSUPPORTED, beyond, -1,
                      "%s is given, expected none with a resident head. Use marginSoftmax.", beyond);
  if (p.classes != head.options.classes || p.dim != head.options.dim)
    return fill_error(error, COSFACE_ERROR_SHAPE, "embeddings", -1,
                      "the problem has C = %lld and D = %lld, expected the head's, %lld and %lld.",
                      static_cast<long long>(p.classes), static_cast<long long>(p.dim),
                      static_cast<long long>(head.options.classes), static_cast<long long>(head.options.dim));
  return COSFACE_OK;
}

cosface_status check_outputs(const cosface_margin_softmax_problem& p, const cosface_resident_head_update* update,
                             const cosface_margin_softmax_results& r, cosface_error* error) {
  if (r.d_weights != nullptr)
    return fill_error(error, COSFACE_ERROR_SHAPE, "dWeights", -1,
                      "dWeights is given, expected none: the head uses each row of it and keeps none.");
  if (update == nullptr) {
    if (r.d_embeddings == nullptr) return COSFACE_OK;
    return fill_error(error, COSFACE_ERROR_SHAPE, "dEmbeddings", -1,
                      "dEmbeddings is given, expected none without an update: marginSoftmax gives gradients alone.");
  }
  if (auto s = check_present("dEmbeddings", r.d_embeddings, p.batch, error)) return s;
  if (auto s = check_rate("learningRate", update->learning_rate, error)) return s;
  return check_rate("weightDecay", update->weight_decay, error);
}

// SplitMix64 (Steele, Lea, Flood, OOPSLA 2014).
struct splitmix {
  uint64_t state;

  uint64_t next() {
    uint64_t z = (state += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
  }
};

}  // namespace
}  // namespace cosface

extern "C" {

void cosface_resident_head_default_options(cosface_resident_head_options* options) {
  *options = {.classes = 0,
              .dim = 0,
              .optimizer = COSFACE_OPTIMIZER_SGD,
              .momentum = 0.9,
              .beta1 = 0.9,
              .beta2 = 0.999,
              .epsilon = 1e-8,
              .normalize = 0};
}

cosface_status cosface_resident_head_create(const cosface_resident_head_options* options, cosface_resident_head** head,
                                            cosface_error* error) {
  if (auto status = cosface::check_head_options(*options, error)) return status;
  std::unique_ptr<cosface_resident_head> created(new (std::nothrow) cosface_resident_head);
  if (created != nullptr) {
    created->options = *options;
    if (created->allocate()) {
      *head = created.release();
      return COSFACE_OK;
    }
  }
  return cosface::fill_error(error, COSFACE_ERROR_OUT_OF_MEMORY, "classes", -1,
                             "no memory for %lld classes of %lld features and their optimiser's state. Use fewer "
                             "classes, a smaller dim, or SGD without momentum.",
                             static_cast<long long>(options->classes), static_cast<long long>(options->dim));
}

cosface_status cosface_resident_head_make_plan(const cosface_resident_head* head,
                                               const cosface_margin_softmax_problem* problem,
                                               const cosface_margin_softmax_options* options, int updates,
                                               cosface_margin_softmax_plan* plan, cosface_error* error) {
  if (auto status = cosface::check_dimensions(*head, *problem, *options, error)) return status;
  const cosface::call_aim aim = updates ? cosface::call_aim::updates : cosface::call_aim::loss;
  return cosface::plan_call(*problem, *options, aim, *plan, error);
}

cosface_status cosface_resident_head_step(cosface_resident_head* head, const cosface_margin_softmax_problem* problem,
                                          const cosface_margin_softmax_options* options,
                                          const cosface_margin_softmax_plan* plan,
                                          const cosface_resident_head_update* update,
                                          cosface_margin_softmax_results* results, cosface_error* error) {
  if (auto status = cosface::check_dimensions(*head, *problem, *options, error)) return status;
  if (auto status = cosface::check_outputs(*problem, update, *results, error)) return status;
  cosface_margin_softmax_plan own;
  if (plan == nullptr) {
    if (auto status = cosface_resident_head_make_plan(head, problem, options, update != nullptr, &own, error))
      return status;
    plan = &own;
  }
  cosface_margin_softmax_problem here = *problem;
  here.weights = head->weights.get();
  const std::lock_guard lock(head->mutex);
  if (update == nullptr) return cosface::run_call(here, *options, *plan, nullptr, *results, error);
  const cosface::row_optimizer optimizer(head->options, *update,
                                         {head->weights.get(), head->velocity.get(), head->first_moment.get(),
                                          head->second_moment.get(), head->updates.get()});
  return cosface::run_call(here, *options, *plan, &optimizer, *results, error);
}

int64_t cosface_resident_head_row_bytes(const cosface_resident_head* head, cosface_resident_head_part part) {
  return cosface::row_bytes(*head, part);
}

cosface_status cosface_resident_head_read(cosface_resident_head* head, cosface_resident_head_part part, int64_t first,
                                          int64_t count, void* values, cosface_error* error) {
  char* rows = nullptr;
  if (auto status = cosface::find_rows(*head, part, first, count, rows, error)) return status;
  const std::lock_guard lock(head->mutex);
  if (count > 0) std::memcpy(values, rows, static_cast<size_t>(count * cosface::row_bytes(*head, part)));
  return COSFACE_OK;
}

cosface_status cosface_resident_head_write(cosface_resident_head* head, cosface_resident_head_part part, int64_t first,
                                           int64_t count, const void* values, cosface_error* error) {
  char* rows = nullptr;
  if (auto status = cosface::find_rows(*head, part, first, count, rows, error)) return status;
  const std::lock_guard lock(head->mutex);
  if (count > 0) std::memcpy(rows, values, static_cast<size_t>(count * cosface::row_bytes(*head, part)));
  return COSFACE_OK;
}

void cosface_resident_head_free(cosface_resident_head* head) { delete head; }

void cosface_uniform_rows(uint64_t seed, int64_t first, int64_t count, int64_t dim, double bound, float* values) {
  for (int64_t row = first; row < first + count; row++) {
    cosface::splitmix seeds{seed};
    cosface::splitmix random{seeds.next() ^ cosface::splitmix{static_cast<uint64_t>(row)}.next()};
    for (int64_t d = 0; d < dim; d++)
      *values++ = static_cast<float>(bound * (static_cast<double>(random.next() >> 11) * 0x1p-52 - 1));
  }
}

}  // extern "C"
