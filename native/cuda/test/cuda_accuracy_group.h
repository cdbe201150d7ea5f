// Runs one problem on the emulated device, holds it to the reference and keeps the worst error of a group of such
// problems, so that docs/cuda.md can quote measured figures.
#pragma once

#include <string>

#include "cuda_call.h"
#include "test/accuracy_check.h"

namespace cosface::cuda::test {

using namespace cosface::test;

// The general path keeps the CPU's promises.
constexpr accuracy_tolerances fp32_tolerances{};

class cuda_accuracy_group {
 public:
  explicit cuda_accuracy_group(std::string name, accuracy_tolerances tolerances = fp32_tolerances)
      : name_(std::move(name)), tolerances_(tolerances) {}

  ~cuda_accuracy_group() {
    std::printf(
        "[ accuracy ] %-26s loss %.1e reduced %.1e d_embeddings %.1e d_weights %.1e cosine %.1e; %lld problems, "
        "%lld predictions\n",
        name_.c_str(), worst_.loss, worst_.reduced_loss, worst_.d_embeddings, worst_.d_weights, worst_.target_cosine,
        static_cast<long long>(problems_), static_cast<long long>(predictions_));
  }

  void check(const device_call& call) {
    const reference_results expected = margin_softmax_reference(widen(call.data.view()), call.options);
    SCOPED_TRACE(testing::Message() << name_ << " " << call.data.shape << " s=" << call.options.scale
                                    << " m=" << call.options.m1 << "," << call.options.m2 << "," << call.options.m3
                                    << " budget=" << call.options.workspace_bytes);
    const kernel_results got = run_on_device(call);
    ASSERT_EQ(got.status, COSFACE_OK) << got.error.message;
    problems_++;
    expect_accurate(got, expected, natural_sizes_of(call.data, call.options, expected), call.options.scale, tolerances_,
                    worst_);
    predictions_ += expect_predictions(got, expected, clear_winners(call.data, tolerances_.near_tie));
  }

 private:
  std::string name_;
  accuracy_tolerances tolerances_;
  accuracy_errors worst_;
  int64_t problems_ = 0, predictions_ = 0;
};

}  // namespace cosface::cuda::test
