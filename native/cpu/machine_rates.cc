#include "cosface/machine_rates.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <exception>
#include <memory>
#include <new>
#include <thread>
#include <vector>

#include "cpu/fma_loops.h"

namespace cosface {
namespace {

using seconds_clock = std::chrono::steady_clock;

double since(seconds_clock::time_point start) {
  return std::chrono::duration<double>(seconds_clock::now() - start).count();
}

// Rates of parts that ran at the same time add up. 0 where a thread is refused: fewer would not be what was asked for.
template <typename task>
double rate_of_all(int32_t threads, const task& rate_of_one) {
  std::atomic<int32_t> waiting{threads};
  std::atomic<bool> refused{false};
  std::vector<double> rates(static_cast<size_t>(threads), 0.0);
  const auto run = [&](int32_t index) {
    // A spin: all begin within a microsecond, and no clock has dropped for want of work.
    for (waiting--; waiting > 0 && !refused;) std::this_thread::yield();
    if (!refused) rates[static_cast<size_t>(index)] = rate_of_one(index);
  };
  std::vector<std::thread> others;
  try {
    others.reserve(static_cast<size_t>(threads));
    for (int32_t t = 1; t < threads; t++) others.emplace_back(run, t);
  } catch (const std::exception&) {
    refused = true;
  }
  run(0);
  for (std::thread& other : others) other.join();
  double total = 0;
  for (const double rate : rates) total += rate;
  return refused ? 0 : total;
}

double fma_rate_of_one(fma_loop loop, double seconds) {
  // x * factor + summand has its fixed point at 1e-3: no overflow, no denormal.
  float operands[fma_operands] = {0.999f, 1e-6f};
  for (int k = 2; k < fma_operands; k++) operands[k] = 1e-3f * static_cast<float>(k);
  float sink[16] = {};
  // Some 10 us: the clock is read often enough, and costs nothing beside it.
  constexpr int64_t rounds = 4000;
  int64_t flops = 0;
  const seconds_clock::time_point start = seconds_clock::now();
  double taken = 0;
  do {
    flops += loop(rounds, operands, sink);
    taken = since(start);
  } while (taken < seconds);
  return std::isfinite(sink[0]) ? static_cast<double>(flops) / taken : 0;
}

struct triad_arrays {
  std::unique_ptr<float[]> a, b, c;
  int64_t length;
};

// Passes of one thread over its own part; the median of their rates, the first left out.
double triad_rate_of_one(const triad_arrays& arrays, int32_t index, int32_t threads, double seconds) {
  const int64_t from = arrays.length * index / threads, to = arrays.length * (index + 1) / threads;
  std::vector<double> rates;
  const seconds_clock::time_point begin = seconds_clock::now();
  for (int pass = 0; pass < 3 || since(begin) < seconds; pass++) {
    const float factor = 0.5f + static_cast<float>(pass);
    const seconds_clock::time_point start = seconds_clock::now();
    for (int64_t k = from; k < to; k++) arrays.a[k] = arrays.b[k] + factor * arrays.c[k];
    if (pass > 0) rates.push_back(static_cast<double>(to - from) * 3 * sizeof(float) / since(start));
  }
  std::nth_element(rates.begin(), rates.begin() + static_cast<ptrdiff_t>(rates.size() / 2), rates.end());
  return rates[rates.size() / 2];
}

}  // namespace
}  // namespace cosface

extern "C" {

double cosface_fma_rate(cosface_isa isa, cosface_precision precision, int32_t threads, double seconds) {
  const cosface::fma_loop loop = cosface::fma_loop_for(isa, precision);
  if (loop == nullptr || !cosface_isa_supported(isa) || threads < 1) return 0;
  return cosface::rate_of_all(threads, [&](int32_t) { return cosface::fma_rate_of_one(loop, seconds); });
}

double cosface_memory_rate(int64_t array_bytes, int32_t threads, double seconds) {
  const int64_t length = array_bytes / static_cast<int64_t>(sizeof(float));
  if (length < threads || threads < 1) return 0;
  const auto n = static_cast<size_t>(length);
  const auto array = [n] { return std::unique_ptr<float[]>(new (std::nothrow) float[n]()); };
  const cosface::triad_arrays arrays{array(), array(), array(), length};
  if (!arrays.a || !arrays.b || !arrays.c) return 0;
  return cosface::rate_of_all(
      threads, [&](int32_t index) { return cosface::triad_rate_of_one(arrays, index, threads, seconds); });
}

}  // extern "C"
