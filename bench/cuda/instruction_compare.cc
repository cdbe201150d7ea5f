// Holds single instructions of the device against the emulator: `instruction_compare IMAGE`, or --rehearse in place of
// the image, where plain loops stand in for the device.
//
//   products whose sums are exact in any order   the same bits, or the run has failed
//   products of random numbers                   within 2^-20 of the sum of magnitudes: hardware adds in an order of
//   its
//                                                own and cuts off low bits; how many elements differ is printed
//   rounding to f16 and bf16                     the same bits
//   2^x by ex2.approx                            within 2^-21 relative: 2 ulp of the device and the emulator's one
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <string>
#include <vector>

#include "cuda/driver.h"
#include "cuda/emulator/half_formats.h"
#include "instructions.cuh"

namespace cosface::cuda {
namespace {

constexpr int blocks = 64, conversions = 4096;
constexpr int elements_a = product_rows * product_depth, elements_b = product_depth * product_columns,
              elements_d = product_rows * product_columns;
constexpr double random_bound = 0x1p-20, exp2_bound = 0x1p-21;

// What runs a kernel: arrays go in and come out whole.
class machine {
 public:
  virtual ~machine() = default;
  virtual std::vector<float> multiply(const std::vector<uint16_t>& a, const std::vector<uint16_t>& b,
                                      const std::vector<float>& c, bool bf16) = 0;
  struct converted {
    std::vector<uint32_t> half, bf16;
    std::vector<float> exp2;
  };
  virtual converted convert(const std::vector<float>& values) = 0;
};

class emulated_machine : public machine {
 public:
  std::vector<float> multiply(const std::vector<uint16_t>& a, const std::vector<uint16_t>& b,
                              const std::vector<float>& c, bool bf16) override {
    std::vector<float> d(c.size());
    const compare_products_params params{a.data(), b.data(), c.data(), d.data(), bf16};
    emulator::run({"compare_products",
                   {blocks},
                   {32},
                   sizeof(product_tiles),
                   [](const void* p) { cosface_compare_products(*static_cast<const compare_products_params*>(p)); },
                   &params},
                  {});
    return d;
  }
  converted convert(const std::vector<float>& values) override {
    const size_t count = values.size() / 2;
    converted results{std::vector<uint32_t>(count), std::vector<uint32_t>(count), std::vector<float>(values.size())};
    const compare_conversions_params params{values.data(), results.half.data(), results.bf16.data(),
                                            results.exp2.data(), static_cast<int>(count)};
    emulator::run(
        {"compare_conversions",
         {conversions / 128},
         {128},
         0,
         [](const void* p) { cosface_compare_conversions(*static_cast<const compare_conversions_params*>(p)); },
         &params},
        {});
    return results;
  }
};

// Plain loops, which stand in for the device where there is none: whatever is wrong in the kernels above shows.
class plain_machine : public machine {
 public:
  std::vector<float> multiply(const std::vector<uint16_t>& a, const std::vector<uint16_t>& b,
                              const std::vector<float>& c, bool bf16) override {
    const auto value = bf16 ? emulator::float_of_bf16 : emulator::float_of_half;
    std::vector<float> d(c.size());
    for (size_t i = 0; i < d.size(); i++) {
      const size_t block = i / elements_d, row = i % elements_d / product_columns, column = i % product_columns;
      double sum = c[i];
      for (size_t k = 0; k < product_depth; k++)
        sum += static_cast<double>(value(a[block * elements_a + row * product_depth + k])) *
               value(b[block * elements_b + k * product_columns + column]);
      d[i] = static_cast<float>(sum);
    }
    return d;
  }
  converted convert(const std::vector<float>& values) override {
    converted results;
    for (size_t i = 0; i < values.size(); i += 2) {
      const float first = values[i], second = values[i + 1];
      results.half.push_back(emulator::half_of_float(first) | emulator::half_of_float(second) << 16);
      results.bf16.push_back(emulator::bf16_of_float(first) | emulator::bf16_of_float(second) << 16);
    }
    for (const float value : values) results.exp2.push_back(static_cast<float>(std::exp2(static_cast<double>(value))));
    return results;
  }
};

class device_machine : public machine {
 public:
  explicit device_machine(const char* image) : driver_(open_driver()) {
    std::ifstream file(image, std::ios::binary);
    const std::vector<char> bytes{std::istreambuf_iterator<char>(file), {}};
    if (bytes.empty()) throw std::runtime_error(std::string(image) + " cannot be read");
    int device = 0;
    check(driver_.device_get(&device, 0), "cuDeviceGet");
    check(driver_.primary_context_retain(&context_, device), "cuDevicePrimaryCtxRetain");
    check(driver_.context_push(context_), "cuCtxPushCurrent");
    check(driver_.module_load(&module_, bytes.data()), "cuModuleLoadData");
  }

  std::vector<float> multiply(const std::vector<uint16_t>& a, const std::vector<uint16_t>& b,
                              const std::vector<float>& c, bool bf16) override {
    std::vector<float> d(c.size());
    const array<uint16_t> device_a(*this, a), device_b(*this, b);
    const array<float> device_c(*this, c), device_d(*this, d);
    launch("cosface_compare_products", blocks, 32, sizeof(product_tiles),
           compare_products_params{device_a.data(), device_b.data(), device_c.data(), device_d.data(), bf16});
    device_d.read(d);
    return d;
  }
  converted convert(const std::vector<float>& values) override {
    const size_t count = values.size() / 2;
    converted results{std::vector<uint32_t>(count), std::vector<uint32_t>(count), std::vector<float>(values.size())};
    const array<float> device_values(*this, values), device_exp2(*this, results.exp2);
    const array<uint32_t> device_half(*this, results.half), device_bf16(*this, results.bf16);
    launch("cosface_compare_conversions", conversions / 128, 128, 0,
           compare_conversions_params{device_values.data(), device_half.data(), device_bf16.data(), device_exp2.data(),
                                      static_cast<int>(count)});
    device_half.read(results.half);
    device_bf16.read(results.bf16);
    device_exp2.read(results.exp2);
    return results;
  }

 private:
  void check(int result, const char* what) const {
    if (result != result_ok) throw std::runtime_error(std::string(what) + ": " + describe_result(driver_, result));
  }

  template <typename T>
  class array {
   public:
    array(const device_machine& machine, const std::vector<T>& values) : machine_(machine) {
      const size_t bytes = values.size() * sizeof(T);
      machine.check(machine.driver_.allocate(&address_, bytes), "cuMemAlloc");
      machine.check(machine.driver_.copy_to_device(address_, values.data(), bytes, nullptr), "cuMemcpyHtoD");
    }
    ~array() { machine_.driver_.free(address_); }
    array(const array&) = delete;
    array& operator=(const array&) = delete;
    T* data() const { return reinterpret_cast<T*>(address_); }
    void read(std::vector<T>& values) const {
      const size_t bytes = values.size() * sizeof(T);
      machine_.check(machine_.driver_.copy_from_device(values.data(), address_, bytes, nullptr), "cuMemcpyDtoH");
      machine_.check(machine_.driver_.stream_synchronize(nullptr), "cuStreamSynchronize");
    }

   private:
    const device_machine& machine_;
    device_address address_ = 0;
  };

  template <typename Params>
  void launch(const char* kernel, unsigned grid, unsigned block, unsigned shared_bytes, Params params) {
    CUfunction function = nullptr;
    check(driver_.module_function(&function, module_, kernel), kernel);
    void* arguments[] = {&params};
    check(driver_.launch(function, grid, 1, 1, block, 1, 1, shared_bytes, nullptr, arguments, nullptr), kernel);
    check(driver_.stream_synchronize(nullptr), kernel);
  }

  const driver& driver_;
  CUcontext context_ = nullptr;
  CUmodule module_ = nullptr;
};

uint32_t bits_of(float value) {
  uint32_t bits;
  std::memcpy(&bits, &value, sizeof bits);
  return bits;
}

class number_source {
 public:
  uint32_t next() { return state_ = state_ * 1664525u + 1013904223u; }
  // In [-8, 7]: exact in both half formats, and so are all sums of products, whatever their order.
  float small_integer() { return static_cast<float>(next() >> 28) - 8; }
  float uniform() { return static_cast<float>(next() >> 8) / 0x1p23f - 1; }

 private:
  uint32_t state_ = 1;
};

struct operands {
  std::vector<uint16_t> a, b;
  std::vector<float> c;
};

template <typename Draw>
operands make_operands(bool bf16, Draw draw) {
  const auto half = [&] { return bf16 ? emulator::bf16_of_float(draw()) : emulator::half_of_float(draw()); };
  operands o{std::vector<uint16_t>(blocks * elements_a), std::vector<uint16_t>(blocks * elements_b),
             std::vector<float>(blocks * elements_d)};
  for (auto& value : o.a) value = half();
  for (auto& value : o.b) value = half();
  for (auto& value : o.c) value = draw();
  return o;
}

// Sum of the magnitudes of all terms of one element.
double magnitude_of(const operands& o, size_t element, bool bf16) {
  const auto value = [&](uint16_t bits) {
    return bf16 ? emulator::float_of_bf16(bits) : emulator::float_of_half(bits);
  };
  const size_t block = element / elements_d, row = element % elements_d / product_columns,
               column = element % product_columns;
  double sum = std::abs(o.c[element]);
  for (size_t k = 0; k < product_depth; k++)
    sum += std::abs(static_cast<double>(value(o.a[block * elements_a + row * product_depth + k])) *
                    value(o.b[block * elements_b + k * product_columns + column]));
  return sum;
}

bool report(const char* what, bool good, const std::string& found) {
  std::printf("%s %s: %s\n", good ? "ok  " : "FAIL", what, found.c_str());
  return good;
}

bool compare_exact_products(machine& device, machine& emulator, bool bf16) {
  number_source numbers;
  const operands o = make_operands(bf16, [&] { return numbers.small_integer(); });
  const auto found = device.multiply(o.a, o.b, o.c, bf16), expected = emulator.multiply(o.a, o.b, o.c, bf16);
  size_t different = 0;
  for (size_t i = 0; i < found.size(); i++) different += bits_of(found[i]) != bits_of(expected[i]);
  return report(bf16 ? "mma of bf16, exact sums" : "mma of f16, exact sums", different == 0,
                std::to_string(different) + " of " + std::to_string(found.size()) + " elements differ");
}

bool compare_random_products(machine& device, machine& emulator, bool bf16) {
  number_source numbers;
  const operands o = make_operands(bf16, [&] { return numbers.uniform(); });
  const auto found = device.multiply(o.a, o.b, o.c, bf16), expected = emulator.multiply(o.a, o.b, o.c, bf16);
  size_t different = 0;
  double worst = 0;
  for (size_t i = 0; i < found.size(); i++) {
    different += bits_of(found[i]) != bits_of(expected[i]);
    const double error = std::abs(static_cast<double>(found[i]) - expected[i]) / magnitude_of(o, i, bf16);
    // A NaN must not pass for a small error.
    if (!(error <= worst)) worst = error;
  }
  return report(bf16 ? "mma of bf16, random" : "mma of f16, random", worst <= random_bound,
                std::to_string(different) + " of " + std::to_string(found.size()) +
                    " elements differ, the worst by 2^" + std::to_string(std::log2(worst)) + " of its terms");
}

bool compare_conversions(machine& device, machine& emulator) {
  number_source numbers;
  std::vector<float> values(2 * conversions);
  for (auto& value : values) value = 126 * numbers.uniform();
  const auto found = device.convert(values), expected = emulator.convert(values);
  double worst = 0;
  for (size_t i = 0; i < values.size(); i++) {
    const double error = std::abs(found.exp2[i] / static_cast<double>(expected.exp2[i]) - 1);
    if (!(error <= worst)) worst = error;
  }
  const bool rounded = report("rounding to f16 and bf16", found.half == expected.half && found.bf16 == expected.bf16,
                              "compared " + std::to_string(values.size()) + " values");
  return report("ex2.approx", worst <= exp2_bound, "the worst by 2^" + std::to_string(std::log2(worst))) && rounded;
}

bool compare_all(machine& device, machine& emulator) {
  bool good = true;
  for (const bool bf16 : {false, true}) {
    good = compare_exact_products(device, emulator, bf16) && good;
    good = compare_random_products(device, emulator, bf16) && good;
  }
  return compare_conversions(device, emulator) && good;
}

bool run(const char* image) {
  emulated_machine emulator;
  if (std::strcmp(image, "--rehearse") == 0) {
    plain_machine plain;
    return compare_all(plain, emulator);
  }
  device_machine device(image);
  return compare_all(device, emulator);
}

}  // namespace
}  // namespace cosface::cuda

int main(int count, char** arguments) try {
  if (count != 2) throw std::runtime_error("usage: instruction_compare IMAGE | --rehearse");
  return cosface::cuda::run(arguments[1]) ? 0 : 1;
} catch (const std::exception& error) {
  std::fprintf(stderr, "%s\n", error.what());
  return 2;
}
