// What must hold whatever the numbers are: symmetries of the loss, checked without any reference.
#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>

#include "kernel_call.h"
#include "relative_error.h"

namespace cosface::test {
namespace {

constexpr problem_shape shape = {37, 53, 29};
constexpr double scale = 30;

// Two float results of one exact value: twice one result's tolerance.
const double loss_bound = 2 * loss_tolerance(scale), gradient_bound = 2 * gradient_tolerance(scale);

template <typename Function>
void for_each_isa(const Function& run) {
  for (const cosface_isa isa : supported_isas()) {
    SCOPED_TRACE(cosface_isa_name(isa));
    cosface_margin_softmax_options options = cos_face_options();
    options.isa = isa;
    options.scale = scale;
    run(options);
  }
}

kernel_results run_ok(const problem_data& data, const cosface_margin_softmax_options& options) {
  kernel_results got = run_kernel(data, options);
  EXPECT_EQ(got.status, COSFACE_OK) << got.error.message;
  return got;
}

std::vector<double> widened(const std::vector<float>& values) { return {values.begin(), values.end()}; }

std::vector<int64_t> permutation(int64_t count, uint64_t seed) {
  seeded_random random(seed);
  std::vector<int64_t> order(count);
  std::iota(order.begin(), order.end(), 0);
  for (int64_t k = count - 1; k > 0; k--) std::swap(order[k], order[random.below(k + 1)]);
  return order;
}

// Row k of the result is row order[k] of `rows`.
template <typename T>
std::vector<T> permuted(const std::vector<T>& rows, const std::vector<int64_t>& order, int64_t width) {
  std::vector<T> out(rows.size());
  for (size_t k = 0; k < order.size(); k++)
    std::copy_n(rows.begin() + order[k] * width, width, out.begin() + static_cast<int64_t>(k) * width);
  return out;
}

TEST(property, order_of_classes) {
  for_each_isa([](const cosface_margin_softmax_options& options) {
    const problem_data data = random_problem(shape, 1);
    const std::vector<int64_t> order = permutation(shape.classes, 2);
    problem_data other = data;
    other.weights = permuted(data.weights, order, shape.dim);
    for (int32_t& y : other.labels) y = static_cast<int32_t>(std::find(order.begin(), order.end(), y) - order.begin());
    const kernel_results a = run_ok(data, options), b = run_ok(other, options);
    EXPECT_LE(relative_error(b.loss, widened(a.loss), 0), loss_bound);
    EXPECT_LE(relative_error(b.d_embeddings, widened(a.d_embeddings), 0), gradient_bound);
    EXPECT_LE(relative_error(b.d_weights, widened(permuted(a.d_weights, order, shape.dim)), 0), gradient_bound);
    for (int64_t i = 0; i < shape.batch; i++) EXPECT_EQ(order[b.prediction[i]], a.prediction[i]) << i;
  });
}

TEST(property, order_of_samples) {
  for_each_isa([](const cosface_margin_softmax_options& options) {
    problem_data data = random_problem(shape, 3);
    add_sample_weights(data, 4);
    add_sample_margins(data, {0, 0.5}, 5);
    const std::vector<int64_t> order = permutation(shape.batch, 6);
    problem_data other = data;
    other.embeddings = permuted(data.embeddings, order, shape.dim);
    other.labels = permuted(data.labels, order, 1);
    other.sample_weights = permuted(data.sample_weights, order, 1);
    other.sample_margins = permuted(data.sample_margins, order, 1);
    const kernel_results a = run_ok(data, options), b = run_ok(other, options);
    EXPECT_LE(relative_error(b.loss, widened(permuted(a.loss, order, 1)), 0), loss_bound);
    EXPECT_LE(relative_error(b.d_embeddings, widened(permuted(a.d_embeddings, order, shape.dim)), 0), gradient_bound);
    EXPECT_LE(relative_error(b.d_weights, widened(a.d_weights), 0), gradient_bound);
    EXPECT_EQ(b.prediction, permuted(a.prediction, order, 1));
  });
}

TEST(property, length_of_rows) {
  // The loss sees directions only, so the gradient shrinks as the row grows.
  for_each_isa([](const cosface_margin_softmax_options& options) {
    const problem_data data = random_problem(shape, 7);
    problem_data other = data;
    for (float& x : other.embeddings) x *= 3;
    for (float& w : other.weights) w *= 0.7f;
    const kernel_results a = run_ok(data, options), b = run_ok(other, options);
    EXPECT_LE(relative_error(b.loss, widened(a.loss), 0), loss_bound);
    std::vector<double> dx = widened(a.d_embeddings), dw = widened(a.d_weights);
    for (double& g : dx) g /= 3;
    for (double& g : dw) g /= 0.7;
    EXPECT_LE(relative_error(b.d_embeddings, dx, 0), gradient_bound);
    EXPECT_LE(relative_error(b.d_weights, dw, 0), gradient_bound);
  });
}

TEST(property, reflection) {
  // A Householder reflection v -> v - 2 (v.u) u keeps all angles; gradients turn along.
  for_each_isa([](const cosface_margin_softmax_options& options) {
    const problem_data data = random_problem(shape, 8);
    seeded_random random(9);
    std::vector<float> u = normal_matrix(random, shape.dim);
    scale_row(u.data(), shape.dim, 1);
    const auto reflected = [&](const std::vector<float>& rows) {
      std::vector<double> out(rows.begin(), rows.end());
      for (size_t r = 0; r < rows.size(); r += shape.dim) {
        double along = 0, square = 0;
        for (int64_t d = 0; d < shape.dim; d++) along += out[r + d] * u[d], square += double(u[d]) * u[d];
        for (int64_t d = 0; d < shape.dim; d++) out[r + d] -= 2 * along / square * u[d];
      }
      return out;
    };
    const auto narrowed = [](const std::vector<double>& v) { return std::vector<float>(v.begin(), v.end()); };
    problem_data other = data;
    other.embeddings = narrowed(reflected(data.embeddings));
    other.weights = narrowed(reflected(data.weights));
    const kernel_results a = run_ok(data, options), b = run_ok(other, options);
    EXPECT_LE(relative_error(b.loss, widened(a.loss), 0), loss_bound);
    EXPECT_LE(relative_error(b.d_embeddings, reflected(a.d_embeddings), 0), gradient_bound);
    EXPECT_LE(relative_error(b.d_weights, reflected(a.d_weights), 0), gradient_bound);
  });
}

double cosine_between(const float* a, const float* b, int64_t dim) {
  double dot = 0;
  for (int64_t d = 0; d < dim; d++) dot += static_cast<double>(a[d]) * b[d];
  const double size = row_norm(a, dim) * row_norm(b, dim);
  return size == 0 ? 0 : dot / size;
}

TEST(property, gradient_is_orthogonal_to_its_vector) {
  for_each_isa([](const cosface_margin_softmax_options& options) {
    problem_data data = random_problem(shape, 10);
    const kernel_results got = run_ok(data, options);
    for (int64_t i = 0; i < shape.batch; i++)
      EXPECT_LE(std::abs(cosine_between(data.embedding(i), &got.d_embeddings[i * shape.dim], shape.dim)), 1e-6) << i;
    for (int64_t c = 0; c < shape.classes; c++)
      EXPECT_LE(std::abs(cosine_between(data.weight(c), &got.d_weights[c * shape.dim], shape.dim)), 1e-6) << c;
  });
}

TEST(property, a_batch_twice_has_the_same_mean) {
  for_each_isa([](const cosface_margin_softmax_options& options) {
    const problem_data data = random_problem(shape, 11);
    problem_data twice = data;
    twice.shape.batch *= 2;
    twice.embeddings.insert(twice.embeddings.end(), data.embeddings.begin(), data.embeddings.end());
    twice.labels.insert(twice.labels.end(), data.labels.begin(), data.labels.end());
    const kernel_results a = run_ok(data, options), b = run_ok(twice, options);
    EXPECT_NEAR(b.reduced_loss, a.reduced_loss, loss_bound * a.reduced_loss);
    EXPECT_LE(relative_error(b.d_weights, widened(a.d_weights), 0), gradient_bound);
  });
}

TEST(property, two_halves_add_up) {
  for_each_isa([](cosface_margin_softmax_options options) {
    options.reduction = COSFACE_REDUCTION_SUM;
    const problem_data data = random_problem(shape, 12);
    constexpr int64_t first = 15;
    problem_data head = data, tail = data;
    head.shape.batch = first;
    tail.shape.batch = shape.batch - first;
    tail.embeddings.erase(tail.embeddings.begin(), tail.embeddings.begin() + first * shape.dim);
    tail.labels.erase(tail.labels.begin(), tail.labels.begin() + first);
    const kernel_results whole = run_ok(data, options), a = run_ok(head, options), b = run_ok(tail, options);
    EXPECT_NEAR(whole.reduced_loss, a.reduced_loss + b.reduced_loss, loss_bound * whole.reduced_loss);
    std::vector<double> dw = widened(a.d_weights);
    for (size_t k = 0; k < dw.size(); k++) dw[k] += b.d_weights[k];
    EXPECT_LE(relative_error(whole.d_weights, dw, 0), gradient_bound);
  });
}

TEST(property, a_vanishing_margin_is_norm_face) {
  // The angle's path (acos, psi, its derivative) in the limit of the path without one.
  for_each_isa([](cosface_margin_softmax_options options) {
    const problem_data data = random_problem(shape, 13);
    options.m3 = 0;
    const kernel_results norm_face = run_ok(data, options);
    options.m2 = 1e-13;
    const kernel_results arc_face = run_ok(data, options);
    options.m2 = 0;
    options.m3 = 1e-13;
    const kernel_results cos_face = run_ok(data, options);
    for (const kernel_results* other : {&arc_face, &cos_face}) {
      EXPECT_LE(relative_error(other->loss, widened(norm_face.loss), 0), 1e-7);
      EXPECT_LE(relative_error(other->d_embeddings, widened(norm_face.d_embeddings), 0), 1e-7);
      EXPECT_LE(relative_error(other->d_weights, widened(norm_face.d_weights), 0), 1e-7);
    }
  });
}

TEST(property, a_larger_margin_never_costs_less) {
  for_each_isa([](cosface_margin_softmax_options options) {
    const problem_data data = random_problem(shape, 14);
    double* const terms[] = {&options.m1, &options.m2, &options.m3};
    const std::vector<double> rising[] = {{1, 1.5, 2, 4, 16}, {0, 0.1, 0.5, 2, 3.14}, {0, 0.1, 0.35, 1, 2}};
    for (int term = 0; term < 3; term++) {
      options.m1 = 1;
      options.m2 = options.m3 = 0;
      kernel_results previous = run_ok(data, options);
      for (const double margin : rising[term]) {
        *terms[term] = margin;
        const kernel_results next = run_ok(data, options);
        for (int64_t i = 0; i < shape.batch; i++)
          EXPECT_GE(next.loss[i], previous.loss[i] * (1 - 1e-6)) << "m" << term + 1 << "=" << margin << " row " << i;
        previous = next;
      }
    }
  });
}

}  // namespace
}  // namespace cosface::test
