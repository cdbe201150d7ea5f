// The exponential of each instruction set, alone: in a whole problem an error of 1e-6 would hide
// behind the rounding of the logits.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

#include "cpu/isa.h"
#include "kernel_call.h"

namespace cosface::test {
namespace {

// What kernels.h states.
const double bound = std::exp2(-22.5);

// One call of `exponentials` over values laid out [classes][NR], and what it gave back.
struct strip {
  strip(const cpu_kernels& k, const std::vector<float>& values, float shift)
      : columns(k.tile_columns), classes(static_cast<int64_t>(values.size()) / columns), powers(values) {
    best.assign(columns, -std::numeric_limits<float>::infinity());
    best_class.assign(columns, -1);
    sum.assign(columns, -1);
    const std::vector<float> shifts(columns, shift);
    k.exponentials({classes, powers.data(), columns, nullptr, 100, best.data(), best_class.data()}, shifts.data(),
                   sum.data(), {powers.data(), columns, nullptr, 0});
  }

  int64_t columns, classes;
  std::vector<float> powers, best, sum;
  std::vector<int32_t> best_class;
};

template <typename Function>
void for_each_isa(const Function& run) {
  for (const cosface_isa isa : supported_isas()) {
    SCOPED_TRACE(cosface_isa_name(isa));
    const cpu_kernels* kernels = kernels_for(isa, nullptr);
    ASSERT_NE(kernels, nullptr);
    run(*kernels);
  }
}

TEST(exponential, relative_error_over_the_whole_range) {
  for_each_isa([](const cpu_kernels& k) {
    seeded_random random(1);
    double worst = 0;
    for (int round = 0; round < 2000; round++) {
      std::vector<float> t(k.tile_columns * 16);
      for (float& v : t) v = static_cast<float>(random.uniform(-125, 127));
      const strip got(k, t, 0);
      for (size_t j = 0; j < t.size(); j++)
        worst = std::max(worst, std::abs(got.powers[j] / std::exp2(double(t[j])) - 1));
    }
    std::printf("[ accuracy ] exp2 %-6s worst relative error 2^%.2f\n", cosface_isa_name(k.isa), std::log2(worst));
    EXPECT_LE(worst, bound);
  });
}

TEST(exponential, ends_of_the_range) {
  for_each_isa([](const cpu_kernels& k) {
    const float just_below = std::nextafter(-125.0f, -200.0f);
    const std::pair<float, double> cases[] = {
        {0, 1},    {1, 2},     {-1, 0.5},   {127, 0x1p127},          {-125, 0x1p-125},    {just_below, 0},
        {-126, 0}, {-1000, 0}, {-1e30f, 0}, {-0.5f, std::sqrt(0.5)}, {0.5f, std::sqrt(2)}};
    for (const auto& [t, expected] : cases) {
      const strip got(k, std::vector<float>(k.tile_columns, t), 0);
      for (const float power : got.powers) EXPECT_NEAR(power, expected, bound * expected) << "2^" << t;
    }
  });
}

TEST(exponential, shift_sum_and_maximum) {
  for_each_isa([](const cpu_kernels& k) {
    seeded_random random(2);
    for (const int64_t classes : {1, 2, 7, 120}) {
      std::vector<float> t(k.tile_columns * classes);
      for (float& v : t) v = static_cast<float>(random.uniform(90, 110));
      const strip got(k, t, -100);
      for (int64_t j = 0; j < k.tile_columns; j++) {
        double sum = 0;
        int64_t highest = 0;
        for (int64_t c = 0; c < classes; c++) {
          sum += std::exp2(t[c * k.tile_columns + j] - 100.0);
          if (t[c * k.tile_columns + j] > t[highest * k.tile_columns + j]) highest = c;
        }
        EXPECT_NEAR(got.sum[j], sum, (bound + double(classes) * 0x1p-24) * sum);
        EXPECT_EQ(got.best[j], t[highest * k.tile_columns + j]) << "before the shift";
        EXPECT_EQ(got.best_class[j], 100 + highest);
      }
    }
  });
}

}  // namespace
}  // namespace cosface::test
