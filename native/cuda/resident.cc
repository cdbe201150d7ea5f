#include "cuda/resident.h"

#include <utility>

#include "cpu/check.h"
#include "cuda/host_call.h"
#include "cuda/params.h"

namespace cosface::cuda {
namespace {

constexpr unsigned update_threads = 256;

void check_range(const char* argument, double value, double largest, bool largest_is_in, const char* range) {
  if (value >= 0 && (largest_is_in ? value <= largest : value < largest)) return;
  throw failure(COSFACE_ERROR_OPTION,
                std::string(argument) + " is " + std::to_string(value) + ", expected a number in " + range + ".",
                argument);
}

void check_sgd(const cosface_cuda_sgd& sgd) {
  check_range("learningRate", sgd.learning_rate, 1e6, true, "[0, 1e6]");
  check_range("momentum", sgd.momentum, 1, false, "[0, 1)");
  check_range("weightDecay", sgd.weight_decay, 1e6, true, "[0, 1e6]");
}

void check_dimensions(int64_t classes, int64_t dim) {
  cosface_error error{};
  cosface_margin_softmax_problem problem{};
  problem.classes = classes;
  problem.dim = dim;
  if (check_shape(problem, &error) != COSFACE_OK)
    throw failure(error.status, error.message, error.argument, error.index);
}

}  // namespace

resident_weights::resident_weights(std::shared_ptr<open_device> device, int64_t classes, int64_t dim,
                                   const float* weights)
    : device_(std::move(device)), classes_(classes), dim_(dim) {
  check_dimensions(classes, dim);
  const device_turn turn(*device_);
  // A member only once all is well: it would outlive the turn that it needs to be given back.
  device_memory memory(turn.gpu(), classes * row_bytes());
  if (weights == nullptr)
    turn.work().clear(memory.data(), memory.bytes());
  else
    turn.work().copy_to_device(memory.data(), weights, memory.bytes());
  turn.work().synchronize();
  weights_ = std::move(memory);
}

resident_weights::~resident_weights() {
  device_memory* const all[] = {&weights_, &velocity_, &gradient_, &ids_};
  try {
    const device_turn turn(*device_);
    for (device_memory* memory : all) *memory = {};
  } catch (const failure&) {
    for (device_memory* memory : all) memory->abandon();
  }
}

void resident_weights::run(const cosface_cuda_call& call, bool gradients) {
  const device_turn turn(*device_);
  cosface_margin_softmax_problem problem = *call.problem;
  problem.weights = weights_.as<float>();
  if (call.subset != nullptr && call.subset->ids == nullptr)
    throw failure(COSFACE_ERROR_SHAPE, "classIds is missing.", "classIds");
  const int64_t centers = call.options->sub_centers;
  if (call.subset != nullptr && centers > 1)
    throw failure(COSFACE_ERROR_UNSUPPORTED,
                  "classIds cannot be combined with subCenters on resident weights: an update knows rows, not classes.",
                  "classIds");
  if (problem.dim != dim_ || (call.subset == nullptr ? problem.classes * centers : call.subset->total) != classes_)
    throw failure(COSFACE_ERROR_SHAPE, "the problem's dimensions are not those of the resident weights.", "weights");
  cosface_margin_softmax_results wanted = *call.results;
  wanted.d_weights = gradients ? weights_.as<float>() : nullptr;
  if (gradients && wanted.d_embeddings == nullptr) wanted.d_embeddings = weights_.as<float>();
  check_call(problem, *call.options, wanted);
  if (call.subset != nullptr) check_subset(*call.subset, problem.classes);
  if (gradients) keep_gradient_room(turn, call.subset, problem.classes * centers);
  const cosface_cuda_call resident_call{.problem = &problem,
                                        .options = call.options,
                                        .subset = call.subset,
                                        .results = call.results,
                                        .workspace = nullptr,
                                        .workspace_bytes = 0};
  run_on_host_arrays(turn, resident_call, gradients,
                     {weights_.as<float>(), gradients ? gradient_.as<float>() : nullptr});
  if (!gradients) return;
  gradient_rows_ = problem.classes * centers;
  gradient_is_of_subset_ = call.subset != nullptr;
}

// The old gradient is over: half of a new one may be written over it.
void resident_weights::keep_gradient_room(const device_turn& turn, const cosface_cuda_class_subset* subset,
                                          int64_t rows) {
  gradient_rows_ = 0;
  if (gradient_.bytes() < rows * row_bytes()) {
    gradient_ = {};
    gradient_ = device_memory(turn.gpu(), rows * row_bytes());
  }
  if (subset == nullptr) return;
  if (ids_.bytes() < rows * 4) {
    ids_ = {};
    ids_ = device_memory(turn.gpu(), rows * 4);
  }
  turn.work().copy_to_device(ids_.data(), subset->ids, rows * 4);
}

void resident_weights::keep_velocity(const device_turn& turn) {
  if (velocity_.data() != nullptr) return;
  velocity_ = device_memory(turn.gpu(), classes_ * row_bytes());
  turn.work().clear(velocity_.data(), velocity_.bytes());
}

void resident_weights::update(const cosface_cuda_sgd& sgd) {
  check_sgd(sgd);
  const device_turn turn(*device_);
  if (gradient_rows_ == 0)
    throw failure(COSFACE_ERROR_OPTION, "there is no gradient to apply, expected a step with gradients before.",
                  "gradients");
  if (sgd.momentum != 0) keep_velocity(turn);
  const sgd_update_params update{.weights = weights_.as<float>(),
                                 .velocity = velocity_.as<float>(),
                                 .gradient = gradient_.as<const float>(),
                                 .ids = gradient_is_of_subset_ ? ids_.as<const int32_t>() : nullptr,
                                 .rows = gradient_rows_,
                                 .dim = dim_,
                                 .learning_rate = static_cast<float>(sgd.learning_rate),
                                 .momentum = static_cast<float>(sgd.momentum),
                                 .weight_decay = static_cast<float>(sgd.weight_decay)};
  const int64_t blocks = (gradient_rows_ * dim_ + update_threads - 1) / update_threads;
  turn.work().launch(kernel::sgd_update, {.grid_x = static_cast<unsigned>(blocks), .block = update_threads}, &update);
  turn.work().synchronize();
}

std::byte* resident_weights::rows_of(const device_turn& turn, cosface_cuda_part part, int64_t first, int64_t count) {
  if (part == COSFACE_CUDA_VELOCITY) keep_velocity(turn);
  const int64_t rows = part == COSFACE_CUDA_GRADIENT ? gradient_rows_ : classes_;
  if (first < 0 || count < 0 || first > rows - count)
    throw failure(COSFACE_ERROR_SHAPE,
                  "rows [" + std::to_string(first) + ", " + std::to_string(first) + " + " + std::to_string(count) +
                      ") are wanted, expected rows in [0, " + std::to_string(rows) + ").",
                  "firstRow");
  const device_memory& memory = part == COSFACE_CUDA_GRADIENT   ? gradient_
                                : part == COSFACE_CUDA_VELOCITY ? velocity_
                                                                : weights_;
  return memory.data() + first * row_bytes();
}

void resident_weights::read(cosface_cuda_part part, int64_t first, int64_t count, float* values) {
  const device_turn turn(*device_);
  turn.work().copy_from_device(values, rows_of(turn, part, first, count), count * row_bytes());
  turn.work().synchronize();
}

void resident_weights::write(cosface_cuda_part part, int64_t first, int64_t count, const float* values) {
  if (part == COSFACE_CUDA_GRADIENT)
    throw failure(COSFACE_ERROR_OPTION, "part is gradient, expected weights or velocity: a step makes the gradient.",
                  "part");
  const device_turn turn(*device_);
  turn.work().copy_to_device(rows_of(turn, part, first, count), values, count * row_bytes());
  turn.work().synchronize();
}

}  // namespace cosface::cuda
