// Which half format the tensor-core path should multiply in: the errors that rounding the operands alone makes, all
// else in double. Prints the table of docs/cuda.md.
#include <gtest/gtest.h>

#include <cmath>

#include "cuda/emulator/half_formats.h"
#include "test/accuracy_check.h"

namespace cosface::cuda::test {
namespace {

using namespace cosface::test;

enum class format {
  half,
  bf16
};

const char* name_of(format f) { return f == format::half ? "fp16" : "bf16"; }

double rounded(double value, format f) {
  const auto single = static_cast<float>(value);
  return f == format::half ? emulator::float_of_half(emulator::half_of_float(single))
                           : emulator::float_of_bf16(emulator::bf16_of_float(single));
}

std::vector<double> unit_rows(const std::vector<float>& matrix, int64_t dim) {
  std::vector<double> out(matrix.begin(), matrix.end());
  for (size_t r = 0; r < out.size(); r += dim) {
    const double norm = row_norm(&matrix[r], dim);
    for (int64_t d = 0; d < dim; d++) out[r + d] /= norm;
  }
  return out;
}

std::vector<double> rounded(std::vector<double> values, format f) {
  for (double& v : values) v = rounded(v, f);
  return values;
}

// g -> (g - (g . u) u) / |v| for each row v of `matrix`, u its unit row.
std::vector<float> projected(const std::vector<double>& gradient, const std::vector<double>& units,
                             const std::vector<float>& matrix, int64_t dim) {
  std::vector<float> out(gradient.size());
  for (size_t r = 0; r < gradient.size(); r += dim) {
    double along = 0;
    for (int64_t d = 0; d < dim; d++) along += gradient[r + d] * units[r + d];
    const double norm = row_norm(&matrix[r], dim);
    for (int64_t d = 0; d < dim; d++) out[r + d] = static_cast<float>((gradient[r + d] - along * units[r + d]) / norm);
  }
  return out;
}

// CosFace, the mean of the batch, as the tensor-core path forms it: the target apart, exponentials of a row shifted so
// that the largest is below 2^6, those of dw as probabilities below 2^14.
kernel_results with_rounded_operands(const problem_data& data, const cosface_margin_softmax_options& o, format logits,
                                     format gradients) {
  const auto [N, C, D] = data.shape;
  const std::vector<double> x = unit_rows(data.embeddings, D), w = unit_rows(data.weights, D);
  const std::vector<double> x_logit = rounded(x, logits), w_logit = rounded(w, logits);
  const std::vector<double> x_gradient = rounded(x, gradients), w_gradient = rounded(w, gradients);
  std::vector<double> dx(N * D), dw(C * D), e(C);
  kernel_results out;
  for (int64_t i = 0; i < N; i++) {
    const int32_t y = data.labels[i];
    double target = 0, largest = -INFINITY;
    for (int64_t d = 0; d < D; d++) target += x[i * D + d] * w[y * D + d];
    for (int64_t c = 0; c < C; c++) {
      double cosine = 0;
      for (int64_t d = 0; d < D; d++) cosine += x_logit[i * D + d] * w_logit[c * D + d];
      e[c] = c == y ? -INFINITY : o.scale * cosine / M_LN2;
      largest = std::max(largest, e[c]);
    }
    const double shift = 6 - std::ceil(largest);
    double sum = 0;
    for (double& value : e) sum += value = std::exp2(value + shift);
    const double u = std::log2(sum) - (o.scale * (target - o.m3) / M_LN2 + shift);
    const double miss = 1 / (1 + std::exp2(-u));
    out.loss.push_back(static_cast<float>(std::log1p(std::exp2(u))));
    const double upstream = o.scale * miss / static_cast<double>(N);
    for (int64_t c = 0; c < C; c++) {
      const double for_dx = rounded(e[c], gradients) * upstream / sum;
      const double for_dw = rounded(e[c] / sum * miss * 0x1p14, gradients) * 0x1p-14 * o.scale / static_cast<double>(N);
      for (int64_t d = 0; d < D; d++) {
        dx[i * D + d] += c == y ? -upstream * w[c * D + d] : for_dx * w_gradient[c * D + d];
        dw[c * D + d] += c == y ? -upstream * x[i * D + d] : for_dw * x_gradient[i * D + d];
      }
    }
  }
  out.d_embeddings = projected(dx, x, data.embeddings, D);
  out.d_weights = projected(dw, w, data.weights, D);
  return out;
}

TEST(operand_precision, fp16_is_the_more_exact_for_every_product) {
  for (const int64_t dim : {64, 512})
    for (const double scale : {16.0, 64.0}) {
      const problem_data data = random_problem({16, 500, dim}, 1);
      cosface_margin_softmax_options options = cos_face_options();
      options.scale = scale;
      const reference_results expected = margin_softmax_reference(widen(data.view()), options);
      double error[2][2][2];
      for (const format logits : {format::bf16, format::half})
        for (const format gradients : {format::bf16, format::half}) {
          const kernel_results got = with_rounded_operands(data, options, logits, gradients);
          const double loss = relative_error(got.loss, expected.loss, 0);
          const double dx = relative_error(got.d_embeddings, expected.d_embeddings, 0);
          const double dw = relative_error(got.d_weights, expected.d_weights, 0);
          std::printf(
              "[ operands ] D=%-4d s=%-3g logits %s, gradient products %s: loss %.1e d_embeddings %.1e "
              "d_weights %.1e\n",
              static_cast<int>(dim), scale, name_of(logits), name_of(gradients), loss, dx, dw);
          auto& here = error[logits == format::half][gradients == format::half];
          here[0] = loss;
          here[1] = std::max(dx, dw);
        }
      EXPECT_LT(error[1][1][0], error[0][1][0]);
      EXPECT_LT(error[1][1][1], error[0][1][1]);
      EXPECT_LT(error[1][1][1], error[1][0][1]);
    }
}

}  // namespace
}  // namespace cosface::cuda::test
