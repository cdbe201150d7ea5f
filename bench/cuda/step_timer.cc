// Times the CUDA library's step and checks it, for first-run.mjs: a command a line on standard input, an answer in JSON
// a line on standard output. Goes through the C ABI of cosface_cuda.node, as the addon does, with arrays of the device.
//
//   describe                             the device, its driver, the kernels' architectures
//   load N C D PRECISION BUDGET BACKWARD a problem for the commands below; BUDGET in bytes, 0 the library's choice
//   check                                relative L2 errors against the CPU kernels in fp32
//   call                                 one step; milliseconds of wall time, everything done
//
// An error is answered as {"error": ...} and ends nothing.
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <iostream>
#include <limits>
#include <memory>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

#include "cosface/cuda.h"
#include "cuda/driver.h"
#include "cuda/shared_library.h"

namespace {

using cosface::cuda::device_address;
using cosface::cuda::driver;

constexpr int attribute_clock_khz = 13;  // CU_DEVICE_ATTRIBUTE_CLOCK_RATE
constexpr int ordinal = 0;

class json_object {
 public:
  json_object& text(const char* key, const std::string& value) {
    std::string escaped;
    for (const char c : value) {
      if (c == '"' || c == '\\') escaped += '\\';
      escaped += c == '\n' ? "\\n" : std::string(1, static_cast<unsigned char>(c) < ' ' ? ' ' : c);
    }
    return add(key, '"' + escaped + '"');
  }
  json_object& number(const char* key, double value) {
    // JSON has no word for what is not finite.
    if (!std::isfinite(value)) return add(key, "null");
    char digits[32];
    std::snprintf(digits, sizeof digits, "%.17g", value);
    return add(key, digits);
  }
  std::string line() const { return '{' + members_ + "}"; }

 private:
  json_object& add(const char* key, const std::string& value) {
    members_ += (members_.empty() ? "\"" : ", \"") + std::string(key) + "\": " + value;
    return *this;
  }
  std::string members_;
};

// Throws what a call of the C ABI has filled in.
void check(cosface_status status, const cosface_error& error) {
  if (status != COSFACE_OK) throw std::runtime_error(std::string(cosface_status_code(status)) + ": " + error.message);
}

const cosface_cuda_library& open_library(const char* file) {
  std::string error;
  void* library = cosface::open_library(file, &error);
  if (library == nullptr) throw std::runtime_error(error);
  cosface_cuda_library_function* table = nullptr;
  if (!cosface::look_up(library, COSFACE_CUDA_LIBRARY_SYMBOL, &table))
    throw std::runtime_error(std::string(file) + " has no " COSFACE_CUDA_LIBRARY_SYMBOL);
  if (table()->abi_version != COSFACE_CUDA_ABI_VERSION || table()->margin_softmax_abi_version != COSFACE_ABI_VERSION)
    throw std::runtime_error(std::string(file) + " has another ABI version");
  return *table();
}

// The driver, and the primary context that the library uses too.
class gpu {
 public:
  gpu() : driver_(cosface::cuda::open_driver()) {
    check(driver_.device_get(&device_, ordinal), "cuDeviceGet");
    check(driver_.primary_context_retain(&context_, device_), "cuDevicePrimaryCtxRetain");
    check(driver_.context_push(context_), "cuCtxPushCurrent");
  }
  ~gpu() {
    driver_.context_pop(&context_);
    driver_.primary_context_release(device_);
  }
  gpu(const gpu&) = delete;
  gpu& operator=(const gpu&) = delete;

  const driver& api() const { return driver_; }
  void check(int result, const char* what) const {
    if (result != cosface::cuda::result_ok)
      throw std::runtime_error(std::string(what) + ": " + cosface::cuda::describe_result(driver_, result));
  }
  // NaN where the driver does not tell.
  double clock_khz() const {
    int value = 0;
    const int result = driver_.device_attribute(&value, attribute_clock_khz, device_);
    return result == cosface::cuda::result_ok ? value : std::numeric_limits<double>::quiet_NaN();
  }

 private:
  const driver& driver_;
  int device_ = 0;
  CUcontext context_ = nullptr;
};

// An array of the device; `values` fills it.
template <typename T>
class device_array {
 public:
  device_array(const gpu& gpu, size_t count) : gpu_(gpu), bytes_(count * sizeof(T)) {
    gpu_.check(gpu_.api().allocate(&address_, bytes_), "cuMemAlloc");
  }
  device_array(const gpu& gpu, const std::vector<T>& values) : device_array(gpu, values.size()) {
    gpu_.check(gpu_.api().copy_to_device(address_, values.data(), bytes_, nullptr), "cuMemcpyHtoD");
    gpu_.check(gpu_.api().stream_synchronize(nullptr), "cuStreamSynchronize");
  }
  ~device_array() { gpu_.api().free(address_); }
  device_array(const device_array&) = delete;
  device_array& operator=(const device_array&) = delete;

  T* data() const { return reinterpret_cast<T*>(address_); }
  std::vector<T> read() const {
    std::vector<T> values(bytes_ / sizeof(T));
    gpu_.check(gpu_.api().copy_from_device(values.data(), address_, bytes_, nullptr), "cuMemcpyDtoH");
    gpu_.check(gpu_.api().stream_synchronize(nullptr), "cuStreamSynchronize");
    return values;
  }

 private:
  const gpu& gpu_;
  size_t bytes_;
  device_address address_ = 0;
};

struct shape {
  int64_t batch, classes, dim;
  bool backward;
};

struct host_problem {
  std::vector<float> embeddings, weights;
  std::vector<int32_t> labels;
};

// In [-1, 1): 32 bits of a Weyl sequence mixed as in MurmurHash3's finaliser, as bench/loss/problem.ts draws them.
class uniform {
 public:
  float next() {
    state_ += 0x9e3779b9u;
    uint32_t x = state_;
    x = (x ^ (x >> 16)) * 0x85ebca6bu;
    x = (x ^ (x >> 13)) * 0xc2b2ae35u;
    return static_cast<float>(static_cast<double>(x ^ (x >> 16)) / 0x1p31 - 1);
  }

 private:
  uint32_t state_ = 20180626;
};

// A batch in the middle of a training: each embedding its class centre plus twice as much noise.
host_problem make_problem(const shape& shape) {
  uniform random;
  host_problem problem{std::vector<float>(shape.batch * shape.dim), std::vector<float>(shape.classes * shape.dim),
                       std::vector<int32_t>(shape.batch)};
  for (float& value : problem.weights) value = random.next();
  for (int64_t i = 0; i < shape.batch; ++i) {
    const auto label = static_cast<int64_t>((random.next() + 1) / 2 * static_cast<float>(shape.classes));
    problem.labels[i] = static_cast<int32_t>(std::min(label, shape.classes - 1));
    const float* centre = &problem.weights[problem.labels[i] * shape.dim];
    for (int64_t d = 0; d < shape.dim; ++d) problem.embeddings[i * shape.dim + d] = centre[d] + 2 * random.next();
  }
  return problem;
}

double relative_error(const std::vector<float>& values, const std::vector<float>& expected) {
  double difference = 0, norm = 0;
  for (size_t i = 0; i < values.size(); ++i) {
    difference += std::pow(static_cast<double>(values[i]) - expected[i], 2);
    norm += std::pow(static_cast<double>(expected[i]), 2);
  }
  return std::sqrt(difference / norm);
}

cosface_precision precision_of(const std::string& name) {
  if (name == "fp32") return COSFACE_PRECISION_FP32;
  if (name == "bf16") return COSFACE_PRECISION_BF16;
  if (name == "bf16-gradients") return COSFACE_PRECISION_BF16_GRADIENTS;
  throw std::runtime_error("precision '" + name + "' is none of fp32, bf16, bf16-gradients");
}

cosface_margin_softmax_options make_options(cosface_precision precision, int64_t workspace_bytes) {
  cosface_margin_softmax_options options;
  cosface_margin_softmax_default_options(&options);
  options.reduction = COSFACE_REDUCTION_MEAN;
  options.precision = precision;
  options.workspace_bytes = workspace_bytes;
  return options;
}

// A problem on the device and where its results go.
class loaded_step {
 public:
  loaded_step(const cosface_cuda_library& library, const gpu& gpu, const shape& shape,
              const cosface_margin_softmax_options& options)
      : library_(library),
        shape_(shape),
        options_(options),
        host_(make_problem(shape)),
        embeddings_(gpu, host_.embeddings),
        weights_(gpu, host_.weights),
        labels_(gpu, host_.labels),
        loss_(gpu, shape.batch),
        d_embeddings_(gpu, shape.backward ? host_.embeddings.size() : 1),
        d_weights_(gpu, shape.backward ? host_.weights.size() : 1) {}

  std::string describe() const {
    const auto problem = device_problem();
    std::vector<char> plan(4096);
    int64_t workspace_bytes = 0;
    cosface_error error{};
    check(library_.describe_plan(ordinal, &problem, &options_, shape_.backward, plan.data(),
                                 static_cast<int64_t>(plan.size()), &error),
          error);
    check(library_.needed_workspace(ordinal, &problem, &options_, shape_.backward, &workspace_bytes, &error), error);
    return json_object()
        .text("plan", plan.data())
        .number("workspaceBytes", static_cast<double>(workspace_bytes))
        .line();
  }

  std::string call() {
    const auto problem = device_problem();
    cosface_margin_softmax_results results{};
    results.loss = loss_.data();
    if (shape_.backward) {
      results.d_embeddings = d_embeddings_.data();
      results.d_weights = d_weights_.data();
    }
    const cosface_cuda_call call{&problem, &options_, nullptr, &results, nullptr, 0};
    cosface_error error{};
    const auto start = std::chrono::steady_clock::now();
    const cosface_status status = library_.margin_softmax_on_device(ordinal, &call, nullptr, &error);
    const std::chrono::duration<double, std::milli> elapsed = std::chrono::steady_clock::now() - start;
    ::check(status, error);
    return json_object().number("ms", elapsed.count()).number("loss", results.reduced_loss).line();
  }

  std::string check_results() {
    call();
    cosface_margin_softmax_options options = make_options(COSFACE_PRECISION_FP32, 64 << 20);
    std::vector<float> loss(shape_.batch), d_embeddings(host_.embeddings.size()), d_weights(host_.weights.size());
    cosface_margin_softmax_results results{};
    results.loss = loss.data();
    if (shape_.backward) {
      results.d_embeddings = d_embeddings.data();
      results.d_weights = d_weights.data();
    }
    const auto problem = problem_of(host_.embeddings.data(), host_.weights.data(), host_.labels.data());
    cosface_error error{};
    ::check(cosface_margin_softmax(&problem, &options, &results, &error), error);
    json_object answer;
    answer.number("loss", relative_error(loss_.read(), loss));
    if (shape_.backward) {
      answer.number("dEmbeddings", relative_error(d_embeddings_.read(), d_embeddings));
      answer.number("dWeights", relative_error(d_weights_.read(), d_weights));
    }
    return answer.line();
  }

 private:
  static void check(cosface_status status, const cosface_error& error) { ::check(status, error); }

  cosface_margin_softmax_problem problem_of(const float* embeddings, const float* weights,
                                            const int32_t* labels) const {
    cosface_margin_softmax_problem problem{};
    problem.batch = shape_.batch;
    problem.classes = shape_.classes;
    problem.dim = shape_.dim;
    problem.embeddings = embeddings;
    problem.weights = weights;
    problem.labels = labels;
    return problem;
  }
  cosface_margin_softmax_problem device_problem() const {
    return problem_of(embeddings_.data(), weights_.data(), labels_.data());
  }

  const cosface_cuda_library& library_;
  shape shape_;
  cosface_margin_softmax_options options_;
  host_problem host_;
  device_array<float> embeddings_, weights_;
  device_array<int32_t> labels_;
  device_array<float> loss_, d_embeddings_, d_weights_;
};

class session {
 public:
  explicit session(const char* library) : library_(open_library(library)) {}

  std::string answer(const std::string& line) {
    std::istringstream words(line);
    std::string command;
    words >> command;
    if (command == "describe") return describe();
    if (command == "load") return load(words);
    if (!step_) throw std::runtime_error("'" + command + "' before load");
    if (command == "check") return step_->check_results();
    if (command == "call") return step_->call();
    throw std::runtime_error("unknown command '" + command + "'");
  }

 private:
  std::string describe() {
    cosface_error error{};
    cosface_cuda_device_info info{};
    check(library_.describe_device(ordinal, &info, &error), error);
    if (library_.score(ordinal, &error) <= 0) check(error.status, error);
    return json_object()
        .text("name", info.name)
        .number("capability", info.capability)
        .number("multiprocessors", info.multiprocessors)
        .number("clockKhz", opened().clock_khz())
        .number("memoryBytes", static_cast<double>(info.memory_bytes))
        .number("freeBytes", static_cast<double>(info.free_bytes))
        .text("driverFile", info.driver_file)
        .number("driver", info.driver_version)
        .number("toolkit", info.toolkit_version)
        .text("architectures", info.architectures)
        .line();
  }

  std::string load(std::istringstream& words) {
    shape shape{};
    std::string precision;
    int64_t workspace_bytes = 0;
    words >> shape.batch >> shape.classes >> shape.dim >> precision >> workspace_bytes >> shape.backward;
    if (!words) throw std::runtime_error("load takes N C D PRECISION BUDGET BACKWARD");
    step_.reset();
    step_ = std::make_unique<loaded_step>(library_, opened(), shape,
                                          make_options(precision_of(precision), workspace_bytes));
    return step_->describe();
  }

  const gpu& opened() {
    if (!gpu_) gpu_ = std::make_unique<gpu>();
    return *gpu_;
  }

  const cosface_cuda_library& library_;
  std::unique_ptr<gpu> gpu_;
  std::unique_ptr<loaded_step> step_;
};

}  // namespace

int main(int count, char** arguments) try {
  if (count != 2) throw std::runtime_error("usage: step_timer COSFACE_CUDA_NODE");
  session session(arguments[1]);
  for (std::string line; std::getline(std::cin, line);) {
    std::string answer;
    try {
      answer = session.answer(line);
    } catch (const std::exception& error) {
      answer = json_object().text("error", error.what()).line();
    }
    std::cout << answer << std::endl;
  }
  return 0;
} catch (const std::exception& error) {
  std::cerr << error.what() << '\n';
  return 1;
}
