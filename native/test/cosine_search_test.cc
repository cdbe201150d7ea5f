// Search against double precision: the same rows, in the same order, the same counts, on every instruction set, any
// number of threads and any budget, down to ties and to cosines that fp32 cannot tell apart.
#include "cosface/cosine_search.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>

#include "cpu/exact_cosine.h"
#include "cpu/isa.h"
#include "kernel_call.h"
#include "reference/cosine_search_reference.h"
#include "search_data.h"

namespace cosface::test {
namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();

// One of each kind: single, below, at and above a tile, a panel, a gallery block and a depth.
const search_shape_case shapes[] = {{1, 1, 1},      {0, 5, 3},     {3, 2, 1},    {7, 120, 2},
                                    {16, 112, 64},  {33, 113, 17}, {5, 241, 65}, {40, 250, 8},
                                    {31, 500, 130}, {65, 37, 256}, {1, 700, 33}};

cosface_search_options options_for(cosface_isa isa, int32_t threads, int64_t budget) {
  return {isa, threads, budget, 0};
}

// Every instruction set, with few and many threads and blocks.
void for_each_way(const std::function<void(const cosface_search_options&)>& visit) {
  for (const cosface_isa isa : supported_isas())
    for (const int32_t threads : {1, 3})
      for (const int64_t budget : {int64_t{0}, int64_t{300} << 10, int64_t{64} << 20}) {
        SCOPED_TRACE(testing::Message() << cosface_isa_name(isa) << " threads " << threads << " budget " << budget);
        visit(options_for(isa, threads, budget));
      }
}

struct neighbours {
  std::vector<int32_t> indices;
  std::vector<float> scores;
};

neighbours top_k(const cosface_search_problem& problem, int64_t k, const cosface_search_options& options) {
  neighbours out{std::vector<int32_t>(problem.queries * k, -7), std::vector<float>(problem.queries * k, NAN)};
  cosface_error error{};
  EXPECT_EQ(cosface_top_k(&problem, &options, k, out.indices.data(), out.scores.data(), nullptr, &error), COSFACE_OK)
      << error.message;
  return out;
}

std::vector<float> as_floats(const std::vector<double>& values) { return {values.begin(), values.end()}; }

TEST(top_k, is_that_of_double_precision) {
  uint64_t seed = 1;
  for (const rows_kind kind : every_kind)
    for (const search_shape_case& shape : shapes) {
      SCOPED_TRACE(testing::Message() << name_of(kind) << " " << shape);
      const search_data data = make_search(kind, shape, seed++);
      const cosface_search_problem problem = data.view();
      for (const int64_t k : {int64_t{1}, std::min<int64_t>(5, shape.gallery), shape.gallery}) {
        const reference_neighbours expected = top_k_reference(problem, k);
        for_each_way([&](const cosface_search_options& options) {
          const neighbours got = top_k(problem, k, options);
          EXPECT_EQ(got.indices, expected.indices) << "k " << k;
          EXPECT_EQ(got.scores, as_floats(expected.cosines)) << "k " << k;
        });
      }
    }
}

TEST(top_k, of_a_gallery_that_is_one_row_over_and_over_is_its_first_rows) {
  search_data data = make_search(rows_kind::normal, {20, 3000, 48}, 3);
  for (size_t n = 0; n < data.gallery.size(); n++) data.gallery[n] = data.gallery[n % 48];
  for_each_way([&](const cosface_search_options& options) {
    const neighbours got = top_k(data.view(), 4, options);
    for (size_t n = 0; n < got.indices.size(); n++) EXPECT_EQ(got.indices[n], static_cast<int32_t>(n % 4));
  });
}

TEST(top_k, of_rows_that_rise_all_the_way_is_the_last_ones) {
  search_data data = make_search(rows_kind::normal, {3, 2000, 2}, 4);
  for (int64_t j = 0; j < 2000; j++) {
    data.gallery[2 * j] = static_cast<float>(j);
    data.gallery[2 * j + 1] = 1000;
  }
  data.queries = {1, 0, 2, 0, 1e-9f, 0};
  for_each_way([&](const cosface_search_options& options) {
    const neighbours got = top_k(data.view(), 100, options);
    for (int32_t n = 0; n < 300; n++) EXPECT_EQ(got.indices[n], 1999 - n % 100);
  });
}

TEST(top_k, a_row_is_nearest_to_itself_with_cosine_one) {
  for (const rows_kind kind : {rows_kind::normal, rows_kind::crowded}) {
    search_data data = make_search(kind, {150, 150, 37}, 5);
    data.gallery = data.queries;
    for_each_way([&](const cosface_search_options& options) {
      const neighbours got = top_k(data.view(), 1, options);
      for (int32_t i = 0; i < 150; i++) {
        EXPECT_EQ(got.indices[i], i);
        EXPECT_EQ(got.scores[i], 1.0f);
      }
    });
  }
}

// Lengths from 2e-12, just not zero, to 1e30, and below: which count as zero must not hang on the instruction set.
TEST(top_k, does_not_depend_on_the_lengths_of_rows) {
  search_data data = make_search(rows_kind::normal, {12, 400, 21}, 6);
  const reference_neighbours plain = top_k_reference(data.view(), 7);
  const double lengths[] = {2e-12, 1e-6, 1, 3e5, 1e30};
  for (int64_t j = 0; j < 400; j++) scale_row(&data.gallery[j * 21], 21, lengths[j % 5]);
  for (int64_t i = 0; i < 12; i++) scale_row(&data.queries[i * 21], 21, lengths[i % 5]);
  for_each_way(
      [&](const cosface_search_options& options) { EXPECT_EQ(top_k(data.view(), 7, options).indices, plain.indices); });
  for (int64_t j = 0; j < 400; j++)
    scale_row(&data.gallery[j * 21], 21, 1e-12 * (1 + 1e-7 * static_cast<double>(j % 9 - 4)));
  const cosface_search_problem problem = data.view();
  const reference_neighbours at_the_edge = top_k_reference(problem, 400);
  for_each_way([&](const cosface_search_options& options) {
    EXPECT_EQ(top_k(problem, 400, options).indices, at_the_edge.indices);
  });
}

// Lengths within a rounding of 1e-12: the order of summation decides which rows count as zero, and it must be one
// order for the fp32 operands and for the exact cosines, or a near row is never looked at.
TEST(top_k, is_of_one_mind_about_rows_that_hardly_count) {
  constexpr int64_t rows = 400, dim = 41;
  search_data data = make_search(rows_kind::crowded, {1, rows, dim}, 13);
  for (int64_t j = 0; j < rows; j++) {
    float* row = &data.gallery[j * dim];
    for (int64_t d = dim - 3; d < dim; d++) row[d] = 0;
    scale_row(row, dim, 1e-12 * (1 - 1e-6));
    long double rest = 1e-24L * (1 + (j % 8 - 4) * 0x1p-53L);
    for (int64_t d = 0; d < dim; d++) {
      if (d >= dim - 3) row[d] = static_cast<float>(std::sqrt(rest)) * (1 - 0x1p-23f);
      rest -= static_cast<long double>(row[d]) * row[d];
    }
  }
  const float* query = data.queries.data();
  std::vector<std::pair<double, int32_t>> order;
  int64_t zeros = 0;
  for (int32_t j = 0; j < rows; j++) {
    const float* row = &data.gallery[j * dim];
    const double squared = exact_dot(row, row, dim);
    zeros += counts_as_zero(squared);
    order.emplace_back(-exact_cosine(exact_dot(query, row, dim), exact_dot(query, query, dim), squared), j);
  }
  ASSERT_GT(zeros, 20);
  ASSERT_LT(zeros, 380);
  std::sort(order.begin(), order.end());
  std::vector<int32_t> expected;
  for (size_t n = 0; n < 50; n++) expected.push_back(order[n].second);
  for_each_way(
      [&](const cosface_search_options& options) { EXPECT_EQ(top_k(data.view(), 50, options).indices, expected); });
}

struct counts {
  std::vector<int64_t> genuine, impostor;
  int64_t genuine_pairs = -1, impostor_pairs = -1;
};

counts count_above(const cosface_search_problem& problem, const std::vector<double>& thresholds,
                   const cosface_search_options& options) {
  counts out{std::vector<int64_t>(thresholds.size(), -1), std::vector<int64_t>(thresholds.size(), -1)};
  cosface_pair_counts results{out.genuine.data(), out.impostor.data(), -1, -1};
  cosface_error error{};
  EXPECT_EQ(cosface_count_above(&problem, &options, thresholds.data(), static_cast<int64_t>(thresholds.size()),
                                &results, nullptr, &error),
            COSFACE_OK)
      << error.message;
  out.genuine_pairs = results.genuine_pairs;
  out.impostor_pairs = results.impostor_pairs;
  return out;
}

// In no order: far outside, on round values, and between neighbouring cosines or, where these are exact whatever the
// order of summation, on them.
std::vector<double> thresholds_among(const reference_pairs& pairs, rows_kind kind, seeded_random& random) {
  std::vector<double> thresholds = {0.3, -infinity, 0, infinity, 1, -1, -0.7, 2, -1e300, 0.3};
  for (const std::vector<double>* cosines : {&pairs.genuine, &pairs.impostor})
    for (int draw = 0; draw < 12 && cosines->size() > 1; draw++) {
      const size_t n = static_cast<size_t>(random.below(static_cast<int64_t>(cosines->size()) - 1));
      const double here = (*cosines)[n], next = (*cosines)[n + 1];
      const bool exact = kind == rows_kind::integers;
      if (exact || here - next > 1e-14) thresholds.push_back(exact ? here : (here + next) / 2);
    }
  return thresholds;
}

void expect_counts(const cosface_search_problem& problem, rows_kind kind, uint64_t seed) {
  const reference_pairs expected = pairs_reference(problem);
  seeded_random random(seed);
  const std::vector<double> thresholds = thresholds_among(expected, kind, random);
  for_each_way([&](const cosface_search_options& options) {
    const counts got = count_above(problem, thresholds, options);
    EXPECT_EQ(got.genuine_pairs, static_cast<int64_t>(expected.genuine.size()));
    EXPECT_EQ(got.impostor_pairs, static_cast<int64_t>(expected.impostor.size()));
    for (size_t t = 0; t < thresholds.size(); t++) {
      EXPECT_EQ(got.genuine[t], count_at_least(expected.genuine, thresholds[t])) << "threshold " << thresholds[t];
      EXPECT_EQ(got.impostor[t], count_at_least(expected.impostor, thresholds[t])) << "threshold " << thresholds[t];
    }
  });
}

// The rounding of an exact -1, 0 or 1 hangs on the order of summation, unless the sums are exact.
TEST(count_above, is_that_of_double_precision) {
  uint64_t seed = 100;
  for (const rows_kind kind : {rows_kind::normal, rows_kind::crowded, rows_kind::integers})
    for (const search_shape_case& shape : shapes)
      for (const int64_t identities : {0, 1, 3, 50}) {
        SCOPED_TRACE(testing::Message() << name_of(kind) << " " << shape << " identities " << identities);
        search_data data = make_search(kind, shape, seed++);
        if (identities > 0) add_labels(data, identities, seed);
        expect_counts(data.view(), kind, seed);
        expect_counts(data.view_of_queries(), kind, seed);
      }
}

TEST(count_above, of_equal_rows_counts_each_pair_once) {
  search_data data = make_search(rows_kind::normal, {300, 1, 24}, 7);
  for (size_t n = 0; n < data.queries.size(); n++) data.queries[n] = data.queries[n % 24];
  for_each_way([&](const cosface_search_options& options) {
    const counts got = count_above(data.view_of_queries(), {1.0, 1.0 + 1e-15, 0.5}, options);
    EXPECT_EQ(got.impostor, (std::vector<int64_t>{300 * 299 / 2, 0, 300 * 299 / 2}));
  });
}

struct found_thresholds {
  std::vector<double> thresholds;
  int64_t pairs = -1;
};

found_thresholds impostor_thresholds(const cosface_search_problem& problem, const std::vector<double>& rates,
                                     const cosface_search_options& options) {
  found_thresholds out{std::vector<double>(rates.size(), NAN)};
  cosface_error error{};
  EXPECT_EQ(cosface_impostor_thresholds(&problem, &options, rates.data(), static_cast<int64_t>(rates.size()),
                                        out.thresholds.data(), &out.pairs, nullptr, &error),
            COSFACE_OK)
      << error.message;
  return out;
}

TEST(impostor_thresholds, are_those_of_double_precision) {
  uint64_t seed = 200;
  for (const rows_kind kind : every_kind)
    for (const search_shape_case& shape : shapes)
      for (const int64_t identities : {0, 3}) {
        search_data data = make_search(kind, shape, seed++);
        if (identities > 0) add_labels(data, identities, seed);
        for (const cosface_search_problem& problem : {data.view(), data.view_of_queries()}) {
          SCOPED_TRACE(testing::Message() << name_of(kind) << " " << shape << " identities " << identities
                                          << (problem.gallery_rows ? "" : " among themselves"));
          const std::vector<double> all = pairs_reference(problem).impostor;
          const int64_t pairs = static_cast<int64_t>(all.size());
          if (pairs == 0) continue;
          std::vector<double> rates = {0.1, 1, 0, 0.5, 1e-6};
          for (const int64_t rank : {int64_t{1}, int64_t{7}, pairs - 1})
            rates.push_back(static_cast<double>(std::min(rank, pairs)) / static_cast<double>(pairs));
          for_each_way([&](const cosface_search_options& options) {
            const found_thresholds got = impostor_thresholds(problem, rates, options);
            EXPECT_EQ(got.pairs, pairs);
            for (size_t n = 0; n < rates.size(); n++) {
              int64_t accepted = 0;
              while (accepted < pairs && static_cast<double>(accepted + 1) / static_cast<double>(pairs) <= rates[n])
                accepted++;
              const double expected = accepted < pairs ? std::nextafter(all[accepted], 2) : -1;
              // The reference sums in another order.
              EXPECT_NEAR(got.thresholds[n], expected, static_cast<double>(shape.dim + 2) * 0x1p-53) << rates[n];
            }
          });
        }
      }
}

// As count_above counts: at the threshold no more than the rate, and just below it more.
TEST(impostor_thresholds, are_the_least_that_keep_the_rate) {
  for (const rows_kind kind : every_kind) {
    search_data data = make_search(kind, {90, 400, 36}, 11);
    add_labels(data, 9, 12);
    const std::vector<double> rates = {0, 1e-4, 0.01, 0.3};
    for_each_way([&](const cosface_search_options& options) {
      const found_thresholds found = impostor_thresholds(data.view(), rates, options);
      for (size_t n = 0; n < rates.size(); n++) {
        const double t = found.thresholds[n];
        const counts got = count_above(data.view(), {t, std::nextafter(t, -2)}, options);
        EXPECT_EQ(got.impostor_pairs, found.pairs);
        EXPECT_LE(static_cast<double>(got.impostor[0]), rates[n] * static_cast<double>(found.pairs));
        EXPECT_GT(static_cast<double>(got.impostor[1]), rates[n] * static_cast<double>(found.pairs)) << name_of(kind);
      }
    });
  }
}

// The bits of a cosine do not hang on the instruction set, though its sums in fp32 do.
TEST(impostor_thresholds, have_the_same_bits_everywhere) {
  const search_data data = make_search(rows_kind::crowded, {60, 333, 77}, 8);
  std::vector<double> rates;
  for (int n = 0; n < 500; n++) rates.push_back(n / (60 * 333.0));
  const found_thresholds one = impostor_thresholds(data.view(), rates, options_for(COSFACE_ISA_SCALAR, 1, 64 << 20));
  for_each_way([&](const cosface_search_options& options) {
    EXPECT_TRUE(same_bits(one.thresholds, impostor_thresholds(data.view(), rates, options).thresholds));
  });
}

// The bound that the filter stands on, where fp32 sums go astray: many terms of one sign.
TEST(filter_error, bounds_what_single_precision_does) {
  seeded_random random(9);
  for (const int64_t dim : {1, 2, 63, 64, 65, 512, 4096})
    for (const cosface_isa isa : supported_isas()) {
      double worst = 0;
      const cpu_kernels& k = *kernels_for(isa, nullptr);
      for (int repeat = 0; repeat < 20; repeat++) {
        std::vector<float> a(dim), b(dim * k.tile_columns), c(k.tile_columns);
        std::vector<float> x(dim), y(dim);
        for (int64_t d = 0; d < dim; d++)
          x[d] = static_cast<float>(random.uniform(0.5, 1)), y[d] = static_cast<float>(random.uniform(0.5, 1));
        const double xx = exact_dot(x.data(), x.data(), dim), yy = exact_dot(y.data(), y.data(), dim);
        k.scale(a.data(), x.data(), 1 / std::sqrt(xx), dim);
        for (int64_t d = 0; d < dim; d++) b[d * k.tile_columns] = static_cast<float>(y[d] / std::sqrt(yy));
        for (int64_t d = 0; d < dim; d += 64)
          k.fp32.multiply_rows({1, std::min<int64_t>(64, dim - d), a.data() + d, dim, b.data() + d * k.tile_columns,
                                k.tile_columns, c.data(), k.tile_columns, d > 0});
        worst = std::max(worst, std::abs(c[0] - exact_cosine(exact_dot(x.data(), y.data(), dim), xx, yy)));
      }
      EXPECT_LE(worst, filter_error(dim, 64)) << "D " << dim << " " << cosface_isa_name(isa);
    }
  EXPECT_LT(filter_error(512, 64), 5e-6);
}

struct error_case {
  std::string name;
  std::function<cosface_status(cosface_search_problem, cosface_search_options, cosface_error*)> call;
  cosface_status status;
  std::string argument;
  int64_t index;
  std::vector<std::string> words;
};

cosface_status top_one(const cosface_search_problem& p, const cosface_search_options& o, cosface_error* error) {
  std::vector<int32_t> indices(16);
  std::vector<float> scores(16);
  return cosface_top_k(&p, &o, 1, indices.data(), scores.data(), nullptr, error);
}

cosface_status count_at(std::vector<double> thresholds, const cosface_search_problem& p,
                        const cosface_search_options& o, cosface_error* error) {
  std::vector<int64_t> impostor(thresholds.size() + 1);
  cosface_pair_counts results{nullptr, impostor.data(), 0, 0};
  return cosface_count_above(&p, &o, thresholds.data(), static_cast<int64_t>(thresholds.size()), &results, nullptr,
                             error);
}

cosface_status thresholds_at(std::vector<double> rates, const cosface_search_problem& p,
                             const cosface_search_options& o, cosface_error* error) {
  std::vector<double> thresholds(rates.size() + 1);
  int64_t pairs = 0;
  return cosface_impostor_thresholds(&p, &o, rates.data(), static_cast<int64_t>(rates.size()), thresholds.data(),
                                     &pairs, nullptr, error);
}

TEST(search_errors, name_argument_requirement_and_value) {
  search_data data = make_search(rows_kind::normal, {3, 5, 4}, 1);
  std::vector<float> spoilt = data.gallery;
  spoilt[13] = std::numeric_limits<float>::quiet_NaN();
  std::vector<float> spoilt_queries = data.queries;
  spoilt_queries[6] = std::numeric_limits<float>::infinity();
  std::vector<int32_t> labels(5);
  using problem = cosface_search_problem;
  using options = cosface_search_options;
  const std::vector<error_case> cases = {
      {"Q -1",
       [](problem p, options o, cosface_error* e) {
         p.queries = -1;
         return top_one(p, o, e);
       },
       COSFACE_ERROR_SHAPE,
       "queries",
       -1,
       {"-1", "[0, 2147483647]"}},
      {"G 0",
       [](problem p, options o, cosface_error* e) {
         p.gallery = 0;
         return top_one(p, o, e);
       },
       COSFACE_ERROR_SHAPE,
       "gallery",
       -1,
       {"0", "[1, "}},
      {"D 0",
       [](problem p, options o, cosface_error* e) {
         p.dim = 0;
         return top_one(p, o, e);
       },
       COSFACE_ERROR_SHAPE,
       "dim",
       -1,
       {"0", "[1, "}},
      {"no queries",
       [](problem p, options o, cosface_error* e) {
         p.query_rows = nullptr;
         return top_one(p, o, e);
       },
       COSFACE_ERROR_SHAPE,
       "queries",
       -1,
       {"missing"}},
      {"no gallery",
       [](problem p, options o, cosface_error* e) {
         p.gallery_rows = nullptr;
         return top_one(p, o, e);
       },
       COSFACE_ERROR_SHAPE,
       "gallery",
       -1,
       {"missing"}},
      {"k 0",
       [](problem p, options o, cosface_error* e) { return cosface_top_k(&p, &o, 0, nullptr, nullptr, nullptr, e); },
       COSFACE_ERROR_OPTION,
       "k",
       -1,
       {"k is 0", "[1, 5]"}},
      {"k 6",
       [](problem p, options o, cosface_error* e) { return cosface_top_k(&p, &o, 6, nullptr, nullptr, nullptr, e); },
       COSFACE_ERROR_OPTION,
       "k",
       -1,
       {"k is 6", "[1, 5]", "gallery has 5 rows"}},
      {"threads",
       [](problem p, options o, cosface_error* e) {
         o.threads = -1;
         return top_one(p, o, e);
       },
       COSFACE_ERROR_OPTION,
       "threads",
       -1,
       {"-1"}},
      {"budget",
       [](problem p, options o, cosface_error* e) {
         o.workspace_bytes = -1;
         return top_one(p, o, e);
       },
       COSFACE_ERROR_OPTION,
       "workspaceBytes",
       -1,
       {"-1"}},
      {"no thresholds",
       [](problem p, options o, cosface_error* e) { return count_at({}, p, o, e); },
       COSFACE_ERROR_SHAPE,
       "thresholds",
       -1,
       {"thresholds", "0", "[1, "}},
      {"NaN threshold",
       [](problem p, options o, cosface_error* e) { return count_at({0, NAN}, p, o, e); },
       COSFACE_ERROR_NOT_FINITE,
       "thresholds",
       1,
       {"thresholds[1] is NaN"}},
      {"no rates",
       [](problem p, options o, cosface_error* e) { return thresholds_at({}, p, o, e); },
       COSFACE_ERROR_SHAPE,
       "falseAcceptRates",
       -1,
       {"0", "[1, "}},
      {"rate 2",
       [](problem p, options o, cosface_error* e) { return thresholds_at({0.1, 2}, p, o, e); },
       COSFACE_ERROR_OPTION,
       "falseAcceptRates",
       1,
       {"falseAcceptRates[1] is 2", "[0, 1]"}},
      {"rate NaN",
       [](problem p, options o, cosface_error* e) { return thresholds_at({NAN}, p, o, e); },
       COSFACE_ERROR_OPTION,
       "falseAcceptRates",
       0,
       {"nan"}},
      {"one label",
       [&](problem p, options o, cosface_error* e) {
         p.query_labels = p.gallery_labels = labels.data();
         return thresholds_at({0}, p, o, e);
       },
       COSFACE_ERROR_SHAPE,
       "queries",
       -1,
       {"no impostor pair"}},
      {"labels of queries only",
       [&](problem p, options o, cosface_error* e) {
         p.query_labels = labels.data();
         return count_at({0}, p, o, e);
       },
       COSFACE_ERROR_SHAPE,
       "galleryLabels",
       -1,
       {"both"}},
      {"labels of the gallery only",
       [&](problem p, options o, cosface_error* e) {
         p.gallery_labels = labels.data();
         return count_at({0}, p, o, e);
       },
       COSFACE_ERROR_SHAPE,
       "queryLabels",
       -1,
       {"both"}},
      {"NaN in gallery",
       [&](problem p, options o, cosface_error* e) {
         p.gallery_rows = spoilt.data();
         return top_one(p, o, e);
       },
       COSFACE_ERROR_NOT_FINITE,
       "gallery",
       13,
       {"gallery[3, 1] is NaN"}},
      {"NaN in gallery, counted",
       [&](problem p, options o, cosface_error* e) {
         p.gallery_rows = spoilt.data();
         return count_at({0}, p, o, e);
       },
       COSFACE_ERROR_NOT_FINITE,
       "gallery",
       13,
       {"gallery[3, 1] is NaN"}},
      {"Inf in queries",
       [&](problem p, options o, cosface_error* e) {
         p.query_rows = spoilt_queries.data();
         return top_one(p, o, e);
       },
       COSFACE_ERROR_NOT_FINITE,
       "queries",
       6,
       {"queries[1, 2] is Infinity"}},
      {"Inf among themselves",
       [&](problem p, options o, cosface_error* e) {
         p.query_rows = spoilt_queries.data();
         p.gallery_rows = nullptr;
         return count_at({0}, p, o, e);
       },
       COSFACE_ERROR_NOT_FINITE,
       "queries",
       6,
       {"queries[1, 2] is Infinity"}},
  };
  for (const error_case& c : cases)
    for (const int32_t threads : {1, 2}) {
      SCOPED_TRACE(c.name);
      cosface_error error{};
      EXPECT_EQ(c.call(data.view(), options_for(COSFACE_ISA_AUTO, threads, 64 << 20), &error), c.status);
      EXPECT_EQ(c.call(data.view(), options_for(COSFACE_ISA_AUTO, threads, 64 << 20), nullptr) == COSFACE_OK, false)
          << "no place for the error";
      EXPECT_EQ(error.argument, c.argument) << error.message;
      EXPECT_EQ(error.index, c.index);
      for (const std::string& word : c.words)
        EXPECT_NE(std::string(error.message).find(word), std::string::npos) << error.message;
      if (c.name == "threads") break;
    }
}

}  // namespace
}  // namespace cosface::test
