// The resident head against the call that returns dw followed by an optimiser in double precision: bits of the
// gradient, rows that must not move, failures that must change nothing.
#include "cosface/resident_head.h"

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <string>

#include "kernel_call.h"
#include "problem_family.h"

namespace cosface::test {
namespace {

constexpr float nan_value = std::numeric_limits<float>::quiet_NaN();
constexpr cosface_resident_head_part float_parts[] = {COSFACE_HEAD_WEIGHTS, COSFACE_HEAD_VELOCITY,
                                                      COSFACE_HEAD_FIRST_MOMENT, COSFACE_HEAD_SECOND_MOMENT};

struct head_freer {
  void operator()(cosface_resident_head* head) const { cosface_resident_head_free(head); }
};
using head_pointer = std::unique_ptr<cosface_resident_head, head_freer>;

cosface_resident_head_options head_options(const problem_shape& shape, cosface_optimizer optimizer) {
  cosface_resident_head_options options;
  cosface_resident_head_default_options(&options);
  options.classes = shape.classes;
  options.dim = shape.dim;
  options.optimizer = optimizer;
  return options;
}

head_pointer make_head(const cosface_resident_head_options& options, const std::vector<float>& weights) {
  cosface_resident_head* head = nullptr;
  cosface_error error{};
  EXPECT_EQ(cosface_resident_head_create(&options, &head, &error), COSFACE_OK) << error.message;
  EXPECT_EQ(cosface_resident_head_write(head, COSFACE_HEAD_WEIGHTS, 0, options.classes, weights.data(), &error),
            COSFACE_OK)
      << error.message;
  return head_pointer(head);
}

std::vector<float> read_part(cosface_resident_head* head, cosface_resident_head_part part, const problem_shape& shape) {
  if (cosface_resident_head_row_bytes(head, part) == 0) return {};
  std::vector<float> values(shape.classes * shape.dim);
  cosface_error error{};
  EXPECT_EQ(cosface_resident_head_read(head, part, 0, shape.classes, values.data(), &error), COSFACE_OK)
      << error.message;
  return values;
}

std::vector<int32_t> read_updates(cosface_resident_head* head, int64_t classes) {
  std::vector<int32_t> values(classes);
  cosface_error error{};
  EXPECT_EQ(cosface_resident_head_read(head, COSFACE_HEAD_UPDATES, 0, classes, values.data(), &error), COSFACE_OK);
  return values;
}

// All that a head has, for comparisons of bits.
struct head_state {
  std::map<int, std::vector<float>> parts;
  std::vector<int32_t> updates;

  bool operator==(const head_state& other) const {
    for (const auto& [part, values] : parts)
      if (!same_bits(values, other.parts.at(part))) return false;
    return updates == other.updates;
  }
};

head_state state_of(cosface_resident_head* head, const problem_shape& shape) {
  head_state state;
  for (const cosface_resident_head_part part : float_parts) state.parts[part] = read_part(head, part, shape);
  if (cosface_resident_head_row_bytes(head, COSFACE_HEAD_UPDATES) > 0)
    state.updates = read_updates(head, shape.classes);
  return state;
}

kernel_results step(cosface_resident_head* head, const problem_data& data,
                    const cosface_margin_softmax_options& options, const cosface_resident_head_update* update) {
  kernel_results out;
  const int64_t batch = std::max<int64_t>(data.shape.batch, 1);
  out.loss.assign(batch, nan_value);
  out.target_cosine.assign(batch, nan_value);
  out.prediction.assign(batch, -7);
  cosface_margin_softmax_results results{};
  results.loss = out.loss.data();
  results.target_cosine = out.target_cosine.data();
  results.prediction = out.prediction.data();
  for (std::vector<float>* by : {&out.d_sample_weights, &out.d_sample_m1, &out.d_sample_m2, &out.d_sample_m3})
    by->assign(batch, nan_value);
  results.d_sample_weights = out.d_sample_weights.data();
  results.d_sample_m1 = out.d_sample_m1.data();
  results.d_sample_m2 = out.d_sample_m2.data();
  results.d_sample_m3 = out.d_sample_m3.data();
  if (update != nullptr) {
    out.d_embeddings.assign(batch * data.shape.dim, nan_value);
    results.d_embeddings = out.d_embeddings.data();
  }
  cosface_margin_softmax_problem problem = data.view();
  problem.weights = nullptr;
  out.status = cosface_resident_head_step(head, &problem, &options, nullptr, update, &results, &out.error);
  out.reduced_loss = results.reduced_loss;
  out.counted = results.counted;
  return out;
}

// An optimiser in double, over the gradients of the call that returns them.
struct double_optimizer {
  cosface_resident_head_options options;
  std::vector<double> w, first, second;
  std::vector<int> updates;

  double_optimizer(const cosface_resident_head_options& o, const std::vector<float>& weights)
      : options(o),
        w(weights.begin(), weights.end()),
        first(weights.size()),
        second(weights.size()),
        updates(o.classes) {}

  void update(const std::vector<int32_t>& rows, const std::vector<float>& gradient,
              const cosface_resident_head_update& u) {
    for (size_t k = 0; k < rows.size(); k++) update_row(rows[k], &gradient[k * options.dim], u);
  }

  void update_row(int64_t row, const float* gradient, const cosface_resident_head_update& u) {
    updates[row]++;
    double square = 0;
    for (int64_t d = 0; d < options.dim; d++) {
      const int64_t k = row * options.dim + d;
      const double g = gradient[d];
      if (options.optimizer == COSFACE_OPTIMIZER_SGD) {
        first[k] = options.momentum * first[k] + g + u.weight_decay * w[k];
        w[k] -= u.learning_rate * first[k];
      } else {
        first[k] = options.beta1 * first[k] + (1 - options.beta1) * g;
        second[k] = options.beta2 * second[k] + (1 - options.beta2) * g * g;
        const double m = first[k] / (1 - std::pow(options.beta1, updates[row]));
        const double v = second[k] / (1 - std::pow(options.beta2, updates[row]));
        w[k] = (1 - u.learning_rate * u.weight_decay) * w[k] - u.learning_rate * m / (std::sqrt(v) + options.epsilon);
      }
      square += w[k] * w[k];
    }
    if (options.normalize && square >= 1e-24)
      for (int64_t d = 0; d < options.dim; d++) w[row * options.dim + d] /= std::sqrt(square);
  }
};

double distance(const std::vector<float>& got, const std::vector<double>& expected) {
  double difference = 0, size = 0;
  for (size_t k = 0; k < expected.size(); k++) {
    difference += (got[k] - expected[k]) * (got[k] - expected[k]);
    size += expected[k] * expected[k];
  }
  return std::sqrt(difference / size);
}

std::vector<int32_t> all_classes(int64_t classes) {
  std::vector<int32_t> ids(classes);
  for (int64_t c = 0; c < classes; c++) ids[c] = static_cast<int32_t>(c);
  return ids;
}

// The classes of the labels and every third other, beginning elsewhere each time.
std::vector<int32_t> some_classes(const problem_data& data, int64_t turn) {
  std::vector<int32_t> ids;
  for (int32_t c = 0; c < data.shape.classes; c++)
    if ((c + turn) % 3 == 0 || std::find(data.labels.begin(), data.labels.end(), c) != data.labels.end())
      ids.push_back(c);
  return ids;
}

struct plan_case {
  std::string name;
  problem_shape shape;
  int64_t budget;
  bool kept, in_place_possible;
};

// One row block for the call that returns gradients too, so that both have one plan.
const plan_case plan_cases[] = {{"kept", {70, 700, 48}, int64_t{64} << 20, true, false},
                                {"kept, in place", {70, 700, 64}, int64_t{64} << 20, true, true},
                                {"recomputed", {40, 20000, 16}, int64_t{2} << 20, false, false},
                                {"recomputed, in place", {40, 9000, 64}, int64_t{1} << 20, false, true},
                                {"ragged", {17, 129, 7}, int64_t{64} << 20, true, false}};

// With momentum and without weight decay the first velocity is the gradient.
TEST(resident_head, gradients_are_those_of_the_call_that_returns_them) {
  for (const cosface_isa isa : supported_isas())
    for (const plan_case& c : plan_cases)
      for (const bool sampled : {false, true}) {
        SCOPED_TRACE(testing::Message() << cosface_isa_name(isa) << " " << c.name << (sampled ? " sampled" : ""));
        problem_data data = random_problem(c.shape, 21);
        add_sample_weights(data, 22);
        add_ignored_labels(data, -1, 23);
        if (sampled) data.class_ids = some_classes(data, 1);
        cosface_margin_softmax_options options = cos_face_options();
        options.isa = isa;
        options.workspace_bytes = c.budget;
        const cosface_margin_softmax_problem problem = data.view();
        cosface_margin_softmax_plan plan{};
        ASSERT_EQ(cosface_margin_softmax_make_plan(&problem, &options, 1, &plan, nullptr), COSFACE_OK);
        if (!sampled) {
          EXPECT_EQ(plan.keep, c.kept);
          EXPECT_GE(plan.row_block, c.shape.batch);
        }
        if (plan.row_block < c.shape.batch) continue;
        const kernel_results expected = run_kernel(data, options);
        const head_pointer head = make_head(head_options(c.shape, COSFACE_OPTIMIZER_SGD), data.weights);
        const cosface_resident_head_update update{.learning_rate = 0, .weight_decay = 0};
        kernel_results got = step(head.get(), data, options, &update);
        ASSERT_EQ(got.status, COSFACE_OK) << got.error.message;
        const std::vector<float> velocity = read_part(head.get(), COSFACE_HEAD_VELOCITY, c.shape);
        for (const int32_t id : sampled ? data.class_ids : all_classes(c.shape.classes))
          got.d_weights.insert(got.d_weights.end(), &velocity[id * c.shape.dim],
                               &velocity[id * c.shape.dim] + c.shape.dim);
        EXPECT_EQ(first_difference(got, expected), "");
        EXPECT_TRUE(same_bits(read_part(head.get(), COSFACE_HEAD_WEIGHTS, c.shape), data.weights));
      }
}

struct optimizer_case {
  std::string name;
  cosface_optimizer optimizer;
  double momentum;
  int32_t normalize;
  cosface_resident_head_update update;
};

const optimizer_case optimizer_cases[] = {
    {"sgd", COSFACE_OPTIMIZER_SGD, 0, 0, {0.5, 0}},
    {"sgd with weight decay", COSFACE_OPTIMIZER_SGD, 0, 0, {0.5, 0.02}},
    {"momentum", COSFACE_OPTIMIZER_SGD, 0.9, 0, {0.2, 5e-4}},
    {"momentum, normalised", COSFACE_OPTIMIZER_SGD, 0.9, 1, {0.2, 5e-4}},
    {"adamw", COSFACE_OPTIMIZER_ADAMW, 0, 0, {0.01, 0.1}},
    {"adamw, normalised", COSFACE_OPTIMIZER_ADAMW, 0, 1, {0.01, 0}},
};

// Batches of uneven size, among them one that is empty; with a row of zeros, and classes drawn anew each step.
TEST(resident_head, optimisers_against_double_precision) {
  for (const optimizer_case& c : optimizer_cases)
    for (const problem_shape& shape : {problem_shape{33, 130, 24}, {5, 1, 8}, {9, 40, 1}})
      for (const bool sampled : {false, true}) {
        SCOPED_TRACE(testing::Message() << c.name << " " << shape << (sampled ? " sampled" : ""));
        problem_data data = random_problem(shape, 31);
        if (shape.classes > 1) std::fill_n(data.weight(shape.classes / 2), shape.dim, 0.0f);
        cosface_resident_head_options options = head_options(shape, c.optimizer);
        options.momentum = c.momentum;
        options.normalize = c.normalize;
        const head_pointer head = make_head(options, data.weights);
        double_optimizer expected(options, data.weights);
        for (int64_t turn = 0; turn < 8; turn++) {
          problem_data batch = random_problem({turn == 3 ? 0 : shape.batch - turn % 4, shape.classes, shape.dim},
                                              40 + static_cast<uint64_t>(turn));
          batch.weights = read_part(head.get(), COSFACE_HEAD_WEIGHTS, shape);
          const std::vector<int32_t> rows = sampled ? some_classes(batch, turn) : all_classes(shape.classes);
          if (rows.empty()) continue;
          if (sampled) batch.class_ids = rows;
          const kernel_results gradients = run_kernel(batch, cos_face_options());
          ASSERT_EQ(gradients.status, COSFACE_OK) << gradients.error.message;
          const kernel_results got = step(head.get(), batch, cos_face_options(), &c.update);
          ASSERT_EQ(got.status, COSFACE_OK) << got.error.message;
          expected.update(rows, gradients.d_weights, c.update);
        }
        EXPECT_LE(distance(read_part(head.get(), COSFACE_HEAD_WEIGHTS, shape), expected.w), 1e-6);
        if (shape.classes > 1 && shape.dim > 1) {
          EXPECT_GT(distance(data.weights, expected.w), 1e-3) << "nothing moved";
        }
        if (c.optimizer == COSFACE_OPTIMIZER_ADAMW) {
          EXPECT_EQ(read_updates(head.get(), shape.classes), expected.updates);
        }
      }
}

TEST(resident_head, rows_that_are_not_sampled_keep_every_bit) {
  for (const optimizer_case& c : optimizer_cases) {
    problem_data data = random_problem({20, 200, 17}, 51);
    cosface_resident_head_options options = head_options(data.shape, c.optimizer);
    options.momentum = c.momentum;
    options.normalize = c.normalize;
    const head_pointer head = make_head(options, data.weights);
    ASSERT_EQ(step(head.get(), data, cos_face_options(), &c.update).status, COSFACE_OK);  // so that there is state
    const head_state before = state_of(head.get(), data.shape);
    data.class_ids = some_classes(data, 0);
    ASSERT_EQ(step(head.get(), data, cos_face_options(), &c.update).status, COSFACE_OK);
    const head_state after = state_of(head.get(), data.shape);
    const int64_t row = data.shape.dim * 4;
    int64_t moved = 0;
    for (const auto& [part, values] : after.parts)
      for (int32_t id = 0; id < data.shape.classes && !values.empty(); id++) {
        const bool same =
            std::memcmp(&values[id * data.shape.dim], &before.parts.at(part)[id * data.shape.dim], row) == 0;
        const bool sampled = std::binary_search(data.class_ids.begin(), data.class_ids.end(), id);
        EXPECT_TRUE(same || sampled) << c.name << " part " << part << " class " << id;
        moved += !same;
      }
    EXPECT_GT(moved, 50);
  }
}

TEST(resident_head, any_number_of_threads) {
  for (const cosface_isa isa : supported_isas())
    for (const plan_case& c : plan_cases)
      for (const cosface_optimizer optimizer : {COSFACE_OPTIMIZER_SGD, COSFACE_OPTIMIZER_ADAMW}) {
        problem_data data = random_problem(c.shape, 61);
        const cosface_resident_head_update update{.learning_rate = 0.1, .weight_decay = 1e-3};
        std::vector<head_state> states;
        for (const int32_t threads : {1, 2, 3, 8}) {
          const head_pointer head = make_head(head_options(c.shape, optimizer), data.weights);
          cosface_margin_softmax_options options = cos_face_options();
          options.isa = isa;
          options.workspace_bytes = c.budget;
          options.threads = threads;
          for (int turn = 0; turn < 3; turn++) {
            data.class_ids = turn == 1 ? some_classes(data, turn) : std::vector<int32_t>{};
            ASSERT_EQ(step(head.get(), data, options, &update).status, COSFACE_OK);
          }
          states.push_back(state_of(head.get(), c.shape));
          EXPECT_TRUE(states.back() == states.front())
              << cosface_isa_name(isa) << " " << c.name << " threads " << threads;
        }
      }
}

// The call that returns gradients would take several row blocks; here all rows must be read before w moves.
TEST(resident_head, one_row_block_whatever_the_budget) {
  const problem_shape shape{1500, 60, 16};
  for (const cosface_isa isa : supported_isas())
    for (const int64_t budget : {int64_t{0}, int64_t{100} << 10, int64_t{64} << 20}) {
      problem_data data = random_problem(shape, 71);
      cosface_margin_softmax_options options = cos_face_options();
      options.isa = isa;
      options.workspace_bytes = budget;
      const head_pointer head = make_head(head_options(shape, COSFACE_OPTIMIZER_SGD), data.weights);
      const cosface_margin_softmax_problem problem = data.view();
      cosface_margin_softmax_plan plan{};
      ASSERT_EQ(cosface_resident_head_make_plan(head.get(), &problem, &options, 1, &plan, nullptr), COSFACE_OK);
      EXPECT_GE(plan.row_block, shape.batch);
      const cosface_resident_head_update update{.learning_rate = 0, .weight_decay = 0};
      ASSERT_EQ(step(head.get(), data, options, &update).status, COSFACE_OK);
      const kernel_results expected = run_kernel(data, options);
      EXPECT_LE(distance(read_part(head.get(), COSFACE_HEAD_VELOCITY, shape),
                         {expected.d_weights.begin(), expected.d_weights.end()}),
                4e-6);
    }
}

TEST(resident_head, the_workspace_of_a_usual_batch_stays_within_the_budget) {
  cosface_resident_head_options of_head = head_options({0, 1'000'000, 512}, COSFACE_OPTIMIZER_SGD);
  of_head.momentum = 0;
  cosface_resident_head* created = nullptr;
  ASSERT_EQ(cosface_resident_head_create(&of_head, &created, nullptr), COSFACE_OK);  // memory that is not touched
  const head_pointer head(created);
  for (const int64_t batch : {1, 512, 1024, 2048}) {
    cosface_margin_softmax_problem problem{};
    problem.batch = batch;
    problem.classes = of_head.classes;
    problem.dim = of_head.dim;
    cosface_margin_softmax_options options = cos_face_options();
    options.threads = 2;
    cosface_margin_softmax_plan plan{};
    ASSERT_EQ(cosface_resident_head_make_plan(head.get(), &problem, &options, 1, &plan, nullptr), COSFACE_OK);
    EXPECT_LE(plan.workspace_bytes, options.workspace_bytes) << batch;
    EXPECT_GE(plan.row_block, batch);
  }
}

struct fault {
  std::string name;
  std::function<void(problem_data&, std::vector<float>& weights)> spoil;
  cosface_status status;
};

TEST(resident_head, a_step_that_fails_changes_nothing) {
  const problem_shape shape{40, 900, 16};
  const fault faults[] = {
      {"NaN in the last embedding", [](problem_data& d, auto&) { d.embedding(39)[15] = nan_value; },
       COSFACE_ERROR_NOT_FINITE},
      {"NaN in the last class", [](problem_data&, auto& w) { w.back() = nan_value; }, COSFACE_ERROR_NOT_FINITE},
      {"Inf in a class", [](problem_data&, auto& w) { w[5] = INFINITY; }, COSFACE_ERROR_NOT_FINITE},
      {"label", [](problem_data& d, auto&) { d.labels[39] = 900; }, COSFACE_ERROR_LABEL_RANGE},
      {"label not sampled", [](problem_data& d, auto&) { d.class_ids = {1}; }, COSFACE_ERROR_LABEL_RANGE},
      {"ids", [](problem_data& d, auto&) { d.class_ids = {3, 2}; }, COSFACE_ERROR_OPTION},
      {"weight", [](problem_data& d, auto&) { d.sample_weights.assign(40, nan_value); }, COSFACE_ERROR_NOT_FINITE},
  };
  for (const fault& f : faults)
    for (const cosface_optimizer optimizer : {COSFACE_OPTIMIZER_SGD, COSFACE_OPTIMIZER_ADAMW}) {
      problem_data data = random_problem(shape, 81);
      std::vector<float> weights = data.weights;
      f.spoil(data, weights);
      const head_pointer head = make_head(head_options(shape, optimizer), weights);
      const head_state before = state_of(head.get(), shape);
      const cosface_resident_head_update update{.learning_rate = 0.1, .weight_decay = 0.1};
      cosface_margin_softmax_options options = cos_face_options();
      options.threads = 3;
      const kernel_results got = step(head.get(), data, options, &update);
      EXPECT_EQ(got.status, f.status) << f.name << ": " << got.error.message;
      EXPECT_TRUE(state_of(head.get(), shape) == before) << f.name;
    }
}

TEST(resident_head, without_an_update_nothing_moves_and_the_loss_is_the_same) {
  const problem_data data = random_problem({40, 900, 16}, 91);
  const head_pointer head = make_head(head_options(data.shape, COSFACE_OPTIMIZER_ADAMW), data.weights);
  const head_state before = state_of(head.get(), data.shape);
  EXPECT_EQ(first_difference(step(head.get(), data, cos_face_options(), nullptr),
                             run_kernel(data, cos_face_options(), false)),
            "");
  EXPECT_TRUE(state_of(head.get(), data.shape) == before);
}

TEST(resident_head, parts_come_back_as_they_were_written) {
  const problem_shape shape{1, 7, 3};
  const head_pointer head = make_head(head_options(shape, COSFACE_OPTIMIZER_ADAMW), std::vector<float>(21, 1.0f));
  const std::vector<float> rows = {1, 2, 3, 4, 5, 6};
  for (const cosface_resident_head_part part :
       {COSFACE_HEAD_WEIGHTS, COSFACE_HEAD_FIRST_MOMENT, COSFACE_HEAD_SECOND_MOMENT}) {
    EXPECT_EQ(cosface_resident_head_row_bytes(head.get(), part), 12);
    ASSERT_EQ(cosface_resident_head_write(head.get(), part, 5, 2, rows.data(), nullptr), COSFACE_OK);
    std::vector<float> got(6);
    ASSERT_EQ(cosface_resident_head_read(head.get(), part, 5, 2, got.data(), nullptr), COSFACE_OK);
    EXPECT_EQ(got, rows);
  }
  EXPECT_EQ(cosface_resident_head_row_bytes(head.get(), COSFACE_HEAD_UPDATES), 4);
  EXPECT_EQ(cosface_resident_head_row_bytes(head.get(), COSFACE_HEAD_VELOCITY), 0);
  cosface_error error{};
  float none[3];
  EXPECT_EQ(cosface_resident_head_read(head.get(), COSFACE_HEAD_VELOCITY, 0, 1, none, &error), COSFACE_ERROR_OPTION);
  for (const auto& [first, count] : {std::pair<int64_t, int64_t>{7, 1}, {-1, 1}, {0, 8}, {0, -1}, {INT64_MAX, 1}}) {
    EXPECT_EQ(cosface_resident_head_read(head.get(), COSFACE_HEAD_WEIGHTS, first, count, none, &error),
              COSFACE_ERROR_SHAPE);
    EXPECT_EQ(cosface_resident_head_write(head.get(), COSFACE_HEAD_WEIGHTS, first, count, none, &error),
              COSFACE_ERROR_SHAPE);
  }
  EXPECT_EQ(cosface_resident_head_read(head.get(), COSFACE_HEAD_WEIGHTS, 7, 0, nullptr, &error), COSFACE_OK);
}

struct option_fault {
  std::string argument;
  std::function<void(cosface_resident_head_options&)> spoil;
  cosface_status status;
};

TEST(resident_head, options_out_of_range) {
  const auto adamw = [](cosface_resident_head_options& o) { o.optimizer = COSFACE_OPTIMIZER_ADAMW; };
  const option_fault faults[] = {
      {"classes", [](auto& o) { o.classes = 0; }, COSFACE_ERROR_SHAPE},
      {"dim", [](auto& o) { o.dim = 0; }, COSFACE_ERROR_SHAPE},
      {"momentum", [](auto& o) { o.momentum = 1; }, COSFACE_ERROR_OPTION},
      {"momentum", [](auto& o) { o.momentum = NAN; }, COSFACE_ERROR_OPTION},
      {"beta1", [=](auto& o) { adamw(o), o.beta1 = 1; }, COSFACE_ERROR_OPTION},
      {"beta2", [=](auto& o) { adamw(o), o.beta2 = -0.1; }, COSFACE_ERROR_OPTION},
      {"epsilon", [=](auto& o) { adamw(o), o.epsilon = 0; }, COSFACE_ERROR_OPTION},
      {"classes", [](auto& o) { o.classes = INT32_MAX, o.dim = 1 << 24; }, COSFACE_ERROR_OUT_OF_MEMORY},
  };
  for (const option_fault& f : faults) {
    cosface_resident_head_options options = head_options({1, 4, 4}, COSFACE_OPTIMIZER_SGD);
    f.spoil(options);
    cosface_resident_head* head = nullptr;
    cosface_error error{};
#if defined(COSFACE_SANITIZE_address) || defined(COSFACE_SANITIZE_thread)
    if (f.status == COSFACE_ERROR_OUT_OF_MEMORY) continue;  // there a request of that size ends the process
#endif
    EXPECT_EQ(cosface_resident_head_create(&options, &head, &error), f.status) << f.argument;
    EXPECT_EQ(error.argument, f.argument);
    EXPECT_EQ(head, nullptr);
  }
}

TEST(resident_head, steps_that_do_not_fit_the_head) {
  const problem_data data = random_problem({3, 4, 5}, 95);
  const head_pointer head = make_head(head_options(data.shape, COSFACE_OPTIMIZER_SGD), data.weights);
  const cosface_margin_softmax_options options = cos_face_options();
  std::vector<float> out(20);
  cosface_error error{};
  const auto status_of = [&](const cosface_margin_softmax_problem& problem, cosface_resident_head_update update,
                             cosface_margin_softmax_results results) {
    return cosface_resident_head_step(head.get(), &problem, &options, nullptr, &update, &results, &error);
  };
  cosface_margin_softmax_results results{};
  results.d_embeddings = out.data();
  cosface_margin_softmax_problem problem = data.view();
  problem.classes = 5;
  EXPECT_EQ(status_of(problem, {0.1, 0}, results), COSFACE_ERROR_SHAPE);
  problem = data.view();
  problem.dim = 4;
  EXPECT_EQ(status_of(problem, {0.1, 0}, results), COSFACE_ERROR_SHAPE);
  problem = data.view();
  EXPECT_EQ(status_of(problem, {-0.1, 0}, results), COSFACE_ERROR_OPTION);
  EXPECT_STREQ(error.argument, "learningRate");
  EXPECT_EQ(status_of(problem, {0.1, NAN}, results), COSFACE_ERROR_OPTION);
  EXPECT_STREQ(error.argument, "weightDecay");
  EXPECT_EQ(status_of(problem, {0.1, 0}, {}), COSFACE_ERROR_SHAPE);
  EXPECT_STREQ(error.argument, "dEmbeddings");
  results.d_weights = out.data();
  EXPECT_EQ(status_of(problem, {0.1, 0}, results), COSFACE_ERROR_SHAPE);
  EXPECT_STREQ(error.argument, "dWeights");
}

TEST(resident_head, uniform_rows_are_the_same_in_chunks_of_any_size) {
  constexpr int64_t rows = 1000, dim = 13;
  std::vector<float> whole(rows * dim), chunks(rows * dim);
  cosface_uniform_rows(7, 0, rows, dim, 0.5, whole.data());
  for (int64_t first = 0; first < rows; first += 300)
    cosface_uniform_rows(7, first, std::min<int64_t>(300, rows - first), dim, 0.5, &chunks[first * dim]);
  EXPECT_TRUE(same_bits(whole, chunks));
  cosface_uniform_rows(8, 0, rows, dim, 0.5, chunks.data());
  EXPECT_FALSE(same_bits(whole, chunks));
  double sum = 0, squares = 0;
  for (const float v : whole) {
    EXPECT_LE(std::abs(v), 0.5);
    sum += v;
    squares += v * v;
  }
  EXPECT_NEAR(sum / whole.size(), 0, 0.01);
  EXPECT_NEAR(squares / whole.size(), 0.25 / 3, 0.003);
}

}  // namespace
}  // namespace cosface::test
