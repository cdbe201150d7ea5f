// Every error: its status, the argument it names, the index, the words a user reads, and that a call
// which failed leaves nothing behind.
#include <gtest/gtest.h>

#include <cstdlib>
#include <functional>
#include <numbers>
#include <optional>

#include "allocation_counter.h"
#include "kernel_call.h"

namespace cosface::test {
namespace {

constexpr float nan_value = std::numeric_limits<float>::quiet_NaN();
constexpr float infinity = std::numeric_limits<float>::infinity();
constexpr problem_shape shape = {6, 5, 3};

// A call that can be spoilt in any part.
struct call {
  problem_data data = random_problem(shape, 1);
  cosface_margin_softmax_problem problem = data.view();
  cosface_margin_softmax_options options = cos_face_options();
  bool embeddings_gradient = true, weights_gradient = true;

  std::vector<float> dx = std::vector<float>(shape.batch * shape.dim);
  std::vector<float> dw = std::vector<float>(shape.classes * shape.dim);

  cosface_margin_softmax_results results() {
    cosface_margin_softmax_results r{};
    if (embeddings_gradient) r.d_embeddings = dx.data();
    if (weights_gradient) r.d_weights = dw.data();
    return r;
  }

  cosface_status run(cosface_error* error) {
    cosface_margin_softmax_results r = results();
    return cosface_margin_softmax(&problem, &options, &r, error);
  }

  cosface_status run(const cosface_margin_softmax_plan& plan, cosface_error* error) {
    cosface_margin_softmax_results r = results();
    return cosface_margin_softmax_run(&problem, &options, &plan, &r, error);
  }
};

struct error_case {
  std::string name;
  std::function<void(call&)> spoil;
  cosface_status status;
  std::string argument;
  int64_t index;
  std::vector<std::string> words;  // the requirement, the value, the remedy
};

// An enumerator that a C caller can pass and C++ cannot write.
template <typename Enum>
void set_raw(Enum& target, int value) {
  static_assert(sizeof(Enum) == sizeof(int));
  std::memcpy(&target, &value, sizeof value);
}

std::vector<error_case> shape_errors() {
  constexpr cosface_status shape_error = COSFACE_ERROR_SHAPE;
  return {
      {"batch -1", [](call& c) { c.problem.batch = -1; }, shape_error, "batch", -1, {"batch", "-1", "[0, 2147483647]"}},
      {"batch 2^31", [](call& c) { c.problem.batch = int64_t{1} << 31; }, shape_error, "batch", -1, {"2147483648"}},
      {"classes 0", [](call& c) { c.problem.classes = 0; }, shape_error, "classes", -1, {"classes", "0", "[1, "}},
      {"classes -3", [](call& c) { c.problem.classes = -3; }, shape_error, "classes", -1, {"-3"}},
      {"classes 2^31",
       [](call& c) { c.problem.classes = int64_t{1} << 31; },
       shape_error,
       "classes",
       -1,
       {"2147483648"}},
      {"dim 0", [](call& c) { c.problem.dim = 0; }, shape_error, "dim", -1, {"dim", "0", "[1, 16777216]"}},
      {"dim -1", [](call& c) { c.problem.dim = -1; }, shape_error, "dim", -1, {"-1"}},
      {"dim 2^24+1", [](call& c) { c.problem.dim = (1 << 24) + 1; }, shape_error, "dim", -1, {"16777217"}},
      {"no embeddings", [](call& c) { c.problem.embeddings = nullptr; }, shape_error, "embeddings", -1, {"embeddings"}},
      {"no weights", [](call& c) { c.problem.weights = nullptr; }, shape_error, "weights", -1, {"weights"}},
      {"no labels", [](call& c) { c.problem.labels = nullptr; }, shape_error, "labels", -1, {"labels"}},
      {"only d_embeddings", [](call& c) { c.weights_gradient = false; }, shape_error, "dWeights", -1, {"both"}},
      {"only d_weights", [](call& c) { c.embeddings_gradient = false; }, shape_error, "dEmbeddings", -1, {"both"}},
  };
}

std::vector<error_case> option_errors() {
  constexpr cosface_status option = COSFACE_ERROR_OPTION;
  constexpr double nan = nan_value, inf = infinity;
  return {
      {"scale 0", [](call& c) { c.options.scale = 0; }, option, "scale", -1, {"scale is 0", "(0, 1e6]"}},
      {"scale -1", [](call& c) { c.options.scale = -1; }, option, "scale", -1, {"-1"}},
      {"scale NaN", [=](call& c) { c.options.scale = nan; }, option, "scale", -1, {"nan"}},
      {"scale Inf", [=](call& c) { c.options.scale = inf; }, option, "scale", -1, {"inf", "(0, 1e6]"}},
      {"scale 1.1e6", [](call& c) { c.options.scale = 1.1e6; }, option, "scale", -1, {"1.1e+06", "(0, 1e6]"}},
      {"m1 0", [](call& c) { c.options.m1 = 0; }, option, "m1", -1, {"m1 is 0", "(0, 16]"}},
      {"m1 16.1", [](call& c) { c.options.m1 = 16.1; }, option, "m1", -1, {"16.1"}},
      {"m1 NaN", [=](call& c) { c.options.m1 = nan; }, option, "m1", -1, {"nan"}},
      {"m2 -0.1", [](call& c) { c.options.m2 = -0.1; }, option, "m2", -1, {"m2 is -0.1", "[0, pi]", "radians"}},
      {"m2 28.6 (degrees)", [](call& c) { c.options.m2 = 28.6; }, option, "m2", -1, {"28.6"}},
      {"m2 NaN", [=](call& c) { c.options.m2 = nan; }, option, "m2", -1, {"nan"}},
      {"m3 -0.1", [](call& c) { c.options.m3 = -0.1; }, option, "m3", -1, {"m3 is -0.1", "[0, 2]"}},
      {"m3 2.1", [](call& c) { c.options.m3 = 2.1; }, option, "m3", -1, {"2.1"}},
      {"m3 Inf", [=](call& c) { c.options.m3 = inf; }, option, "m3", -1, {"inf"}},
      {"reduction 3", [](call& c) { set_raw(c.options.reduction, 3); }, option, "reduction", -1, {"3", "mean"}},
      {"threads -1", [](call& c) { c.options.threads = -1; }, option, "threads", -1, {"-1", "[0, 1024]"}},
      {"threads 1025", [](call& c) { c.options.threads = 1025; }, option, "threads", -1, {"1025"}},
      {"budget -1", [](call& c) { c.options.workspace_bytes = -1; }, option, "workspaceBytes", -1, {"-1", ">= 0"}},
      {"upstream gradient of a mean",
       [](call& c) {
         c.data.loss_gradient.assign(shape.batch, 1);
         c.problem.loss_gradient = c.data.loss_gradient.data();
       },
       option,
       "reduction",
       -1,
       {"none", "lossGradient"}},
      {"bias beyond what fp32 can tell apart",
       [](call& c) {
         c.data.bias.assign(shape.classes, 0);
         c.data.bias[4] = -3e38f;
         c.problem.bias = c.data.bias.data();
       },
       option,
       "bias",
       4,
       {"bias[4] is -3e+38", "[-1e18, 1e18]"}},
      {"isa 6", [](call& c) { set_raw(c.options.isa, 6); }, COSFACE_ERROR_UNSUPPORTED, "isa", -1, {"auto"}},
#if !COSFACE_SANITIZE_address
      // To C++ these do not fit the enum's bits, and UndefinedBehaviorSanitizer stops at the load; a C
      // caller can pass them all the same.
      {"reduction -1", [](call& c) { set_raw(c.options.reduction, -1); }, option, "reduction", -1, {"-1", "sum"}},
      {"gradient 2", [](call& c) { set_raw(c.options.gradient, 2); }, option, "gradient", -1, {"2", "detached"}},
      {"isa 99", [](call& c) { set_raw(c.options.isa, 99); }, COSFACE_ERROR_UNSUPPORTED, "isa", -1, {"auto"}},
#endif
  };
}

error_case label_error(int64_t index, int32_t label) {
  const std::string place = "labels[" + std::to_string(index) + "] is " + std::to_string(label);
  return {place, [=](call& c) { c.data.labels[index] = label; }, COSFACE_ERROR_LABEL_RANGE, "labels",
          index, {place, "[0, 5)", "[5, 3]", "subtract 1"}};
}

std::string spelled(float value) { return std::isnan(value) ? "NaN" : value > 0 ? "Infinity" : "-Infinity"; }

error_case element_error(const std::string& argument, std::vector<float> problem_data::*input, int64_t index,
                         int64_t width, float value) {
  const std::string place = width == 1
                                ? "[" + std::to_string(index) + "]"
                                : "[" + std::to_string(index / width) + ", " + std::to_string(index % width) + "]";
  return {argument + place + " " + spelled(value),
          [=](call& c) {
            if ((c.data.*input).empty()) (c.data.*input).assign(shape.batch, 1.0f);
            (c.data.*input)[index] = value;
            c.problem = c.data.view();
            if (argument == "lossGradient") c.options.reduction = COSFACE_REDUCTION_NONE;
          },
          COSFACE_ERROR_NOT_FINITE,
          argument,
          index,
          {argument + place + " is " + spelled(value), "finite"}};
}

error_case margin_error(cosface_margin_term term, int64_t index, float value, const std::string& range) {
  return {"sampleMargins m" + std::to_string(term),
          [=](call& c) {
            c.data.sample_margins.assign(shape.batch, 0.5f);
            c.data.sample_margins[index] = value;
            c.data.sample_margin_term = term;
            c.problem = c.data.view();
          },
          COSFACE_ERROR_MARGIN_RANGE,
          "sampleMargins",
          index,
          {"sampleMargins[" + std::to_string(index) + "]", range, "m" + std::to_string(term)}};
}

std::vector<error_case> value_errors() {
  std::vector<error_case> cases = {label_error(0, 5), label_error(5, -2), label_error(3, INT32_MAX),
                                   label_error(2, INT32_MIN)};
  for (const float bad : {nan_value, infinity, -infinity}) {
    for (const int64_t index : {int64_t{0}, shape.batch * shape.dim - 1})
      cases.push_back(element_error("embeddings", &problem_data::embeddings, index, shape.dim, bad));
    for (const int64_t index : {int64_t{0}, shape.classes * shape.dim - 1})
      cases.push_back(element_error("weights", &problem_data::weights, index, shape.dim, bad));
    for (const int64_t index : {int64_t{0}, shape.batch - 1}) {
      cases.push_back(element_error("sampleWeights", &problem_data::sample_weights, index, 1, bad));
      cases.push_back(element_error("lossGradient", &problem_data::loss_gradient, index, 1, bad));
      for (const cosface_margin_term term : {COSFACE_MARGIN_M1, COSFACE_MARGIN_M2, COSFACE_MARGIN_M3})
        cases.push_back(margin_error(term, index, bad, term == COSFACE_MARGIN_M1 ? "(0, 16]" : "[-"));
    }
  }
  cases.push_back(margin_error(COSFACE_MARGIN_M1, 0, 0.0f, "(0, 16]"));
  cases.push_back(margin_error(COSFACE_MARGIN_M1, 1, 16.5f, "(0, 16]"));
  cases.push_back(margin_error(COSFACE_MARGIN_M2, 2, -3.2f, "[-pi, pi]"));
  cases.push_back(margin_error(COSFACE_MARGIN_M2, 3, 3.2f, "[-pi, pi]"));
  cases.push_back(margin_error(COSFACE_MARGIN_M3, 4, -2.1f, "[-2, 2]"));
  cases.push_back(margin_error(COSFACE_MARGIN_M3, 5, 2.1f, "[-2, 2]"));
  return cases;
}

std::vector<error_case> all_errors() {
  std::vector<error_case> cases = shape_errors();
  for (const std::vector<error_case>& more : {option_errors(), value_errors()})
    cases.insert(cases.end(), more.begin(), more.end());
  return cases;
}

void expect_error(const error_case& expected, cosface_status status, const cosface_error& error) {
  EXPECT_EQ(status, expected.status) << error.message;
  EXPECT_EQ(error.status, expected.status);
  EXPECT_EQ(error.argument, expected.argument);
  EXPECT_EQ(error.index, expected.index);
  for (const std::string& word : expected.words)
    EXPECT_NE(std::string(error.message).find(word), std::string::npos) << "'" << word << "' in: " << error.message;
}

TEST(error, status_argument_index_and_words) {
  for (const error_case& expected : all_errors()) {
    SCOPED_TRACE(expected.name);
    call spoilt;
    expected.spoil(spoilt);
    cosface_error error;
    std::memset(&error, 0x5a, sizeof error);
    expect_error(expected, spoilt.run(&error), error);
    // The message fits, ends a sentence, and leaves the code to cosface_status_code.
    const std::string message = error.message;
    ASSERT_LT(message.size(), sizeof error.message - 1);
    EXPECT_EQ(message.back(), '.') << message;
    EXPECT_EQ(message.find("COSFACE_"), std::string::npos) << message;
  }
}

TEST(error, the_error_struct_is_optional) {
  for (const error_case& expected : all_errors()) {
    call spoilt;
    expected.spoil(spoilt);
    EXPECT_EQ(spoilt.run(nullptr), expected.status) << expected.name;
  }
}

TEST(error, the_next_call_works) {
  call good;
  const kernel_results before = run_kernel(good.data, good.options);
  for (const error_case& expected : all_errors()) {
    call spoilt;
    expected.spoil(spoilt);
    EXPECT_NE(spoilt.run(nullptr), COSFACE_OK) << expected.name;
    EXPECT_EQ(first_difference(before, run_kernel(good.data, good.options)), "") << expected.name;
  }
}

TEST(error, ten_thousand_times_in_flat_memory) {
  for (const error_case& expected : all_errors()) {
    call spoilt;
    expected.spoil(spoilt);
    cosface_error error;
    spoilt.run(&error);  // what is kept between calls is there from now on
    const int64_t before = allocations().live_bytes;
    for (int k = 0; k < 10000; k++) ASSERT_EQ(spoilt.run(&error), expected.status);
    EXPECT_EQ(allocations().live_bytes, before) << expected.name;
  }
}

TEST(error, the_first_of_several_is_named) {
  call spoilt;
  spoilt.data.embeddings[7] = nan_value;
  spoilt.data.embeddings[11] = infinity;
  spoilt.data.weights[0] = nan_value;
  cosface_error error;
  EXPECT_EQ(spoilt.run(&error), COSFACE_ERROR_NOT_FINITE);
  EXPECT_STREQ(error.argument, "embeddings");
  EXPECT_EQ(error.index, 7);
}

// Blocks, slabs and threads each see a part of the input; the report must not depend on which.
TEST(error, not_finite_anywhere_in_a_large_input) {
  const problem_data clean = random_problem({300, 1000, 24}, 2);
  for (const cosface_isa isa : supported_isas())
    for (const int64_t budget : {int64_t{0}, int64_t{64} << 20})
      for (const bool gradients : {false, true}) {
        cosface_margin_softmax_options options = cos_face_options();
        options.isa = isa;
        options.workspace_bytes = budget;
        options.threads = 3;
        for (const int64_t index : {int64_t{0}, int64_t{24 * 150 + 5}, int64_t{24 * 300 - 1}}) {
          problem_data data = clean;
          data.embeddings[index] = nan_value;
          const kernel_results got = run_kernel(data, options, gradients);
          EXPECT_EQ(got.status, COSFACE_ERROR_NOT_FINITE);
          EXPECT_STREQ(got.error.argument, "embeddings");
          EXPECT_EQ(got.error.index, index);
        }
        for (const int64_t index : {int64_t{0}, int64_t{24 * 700 + 23}, int64_t{24 * 1000 - 1}}) {
          problem_data data = clean;
          data.weights[index] = -infinity;
          const kernel_results got = run_kernel(data, options, gradients);
          EXPECT_EQ(got.status, COSFACE_ERROR_NOT_FINITE);
          EXPECT_STREQ(got.error.argument, "weights");
          EXPECT_EQ(got.error.index, index);
        }
      }
}

TEST(error, the_ends_of_every_range_are_allowed) {
  const std::vector<std::function<void(call&)>> allowed = {[](call& c) { c.options.scale = 1e6; },
                                                           [](call& c) { c.options.m1 = 16; },
                                                           [](call& c) { c.options.m1 = 1e-9; },
                                                           [](call& c) { c.options.m2 = std::numbers::pi; },
                                                           [](call& c) { c.options.m3 = 2; },
                                                           [](call& c) { c.options.threads = 1024; },
                                                           [](call& c) { c.options.workspace_bytes = INT64_MAX; },
                                                           [](call& c) { c.data.labels[0] = 4; }};
  for (size_t k = 0; k < allowed.size(); k++) {
    call at_the_end;
    allowed[k](at_the_end);
    cosface_error error;
    EXPECT_EQ(at_the_end.run(&error), COSFACE_OK) << k << ": " << error.message;
  }
  // Math.PI in a Float32Array is a little more than pi.
  constexpr float pi = std::numbers::pi_v<float>;
  const std::pair<cosface_margin_term, float> ends[] = {{COSFACE_MARGIN_M1, 16.0f},
                                                        {COSFACE_MARGIN_M2, pi},
                                                        {COSFACE_MARGIN_M2, -pi},
                                                        {COSFACE_MARGIN_M3, 2.0f},
                                                        {COSFACE_MARGIN_M3, -2.0f}};
  for (const auto& [term, value] : ends) {
    call at_the_end;
    at_the_end.data.sample_margins.assign(shape.batch, value);
    at_the_end.data.sample_margin_term = term;
    at_the_end.problem = at_the_end.data.view();
    cosface_error error;
    EXPECT_EQ(at_the_end.run(&error), COSFACE_OK) << "m" << term << " " << value << ": " << error.message;
  }
}

TEST(error, null_arrays_are_fine_without_samples) {
  // What an empty Float32Array hands over.
  const problem_data data = random_problem({0, 5, 3}, 3);
  cosface_margin_softmax_problem problem = data.view();
  problem.embeddings = nullptr;
  problem.labels = nullptr;
  std::vector<float> dw(15, nan_value);
  cosface_margin_softmax_results results{};
  results.d_weights = dw.data();
  cosface_error error;
  const cosface_margin_softmax_options options = cos_face_options();
  ASSERT_EQ(cosface_margin_softmax(&problem, &options, &results, &error), COSFACE_OK) << error.message;
  EXPECT_EQ(results.reduced_loss, 0);
  for (const float v : dw) EXPECT_EQ(v, 0);
}

// Sets a variable for one scope and puts back what was there.
class scoped_variable {
 public:
  scoped_variable(const char* name, const char* value) : name_(name) {
    if (const char* old = std::getenv(name)) old_ = old;
    setenv(name, value, 1);
  }
  ~scoped_variable() { old_ ? setenv(name_, old_->c_str(), 1) : unsetenv(name_); }
  scoped_variable(const scoped_variable&) = delete;
  scoped_variable& operator=(const scoped_variable&) = delete;

 private:
  const char* name_;
  std::optional<std::string> old_;
};

void expect_environment_error(const char* variable, const char* value) {
  const scoped_variable set(variable, value);
  call c;
  c.options.threads = 0;
  const error_case expected{"",       nullptr, COSFACE_ERROR_ENVIRONMENT,
                            variable, -1,      {std::string("'") + value + "'", variable, "Unset"}};
  SCOPED_TRACE(testing::Message() << variable << "=" << value);
  cosface_error error{};
  expect_error(expected, c.run(&error), error);
  cosface_margin_softmax_plan plan;
  error = {};
  expect_error(expected, cosface_margin_softmax_make_plan(&c.problem, &c.options, 1, &plan, &error), error);
}

TEST(error, environment) {
  expect_environment_error("COSFACE_ISA", "nonsense");
  expect_environment_error("COSFACE_ISA", "AVX2");
  for (const char* threads : {"abc", "0", "-1", "1025", "3x", "2.5", "99999999999999999999", " 2", "2 ", "+2"})
    expect_environment_error("COSFACE_THREADS", threads);
  for (const char* debug : {"explain", "plans", "PLAN", "plan,memory", " plan"})
    expect_environment_error("COSFACE_DEBUG", debug);
  call c;
  EXPECT_EQ(c.run(nullptr), COSFACE_OK);
}

TEST(error, environment_is_only_read_where_it_decides) {
  const scoped_variable isa("COSFACE_ISA", "nonsense"), threads("COSFACE_THREADS", "abc");
  call c;
  c.options.isa = COSFACE_ISA_SCALAR;
  c.options.threads = 1;
  cosface_error error;
  EXPECT_EQ(c.run(&error), COSFACE_OK) << error.message;
}

TEST(error, a_run_reads_no_environment) {
  call c;
  c.options.isa = COSFACE_ISA_AUTO;
  c.options.threads = 0;
  cosface_margin_softmax_plan plan;
  cosface_error error;
  ASSERT_EQ(cosface_margin_softmax_make_plan(&c.problem, &c.options, 1, &plan, &error), COSFACE_OK) << error.message;
  const scoped_variable isa("COSFACE_ISA", "nonsense"), threads("COSFACE_THREADS", "abc"), debug("COSFACE_DEBUG", "x");
  EXPECT_EQ(c.run(plan, &error), COSFACE_OK) << error.message;
}

TEST(error, a_plan_for_another_call) {
  const auto outcome_of = [](auto change) {
    call c;
    cosface_margin_softmax_plan plan{};
    EXPECT_EQ(cosface_margin_softmax_make_plan(&c.problem, &c.options, 1, &plan, nullptr), COSFACE_OK);
    change(c, plan);
    cosface_error error{};
    EXPECT_EQ(c.run(plan, &error), COSFACE_ERROR_OPTION);
    EXPECT_STREQ(error.argument, "plan");
  };
  outcome_of([](call&, auto& plan) { plan = {}; });
  outcome_of([](call& c, auto&) { c.problem.dim += 64; });
  outcome_of([](call& c, auto&) { c.embeddings_gradient = c.weights_gradient = false; });
  outcome_of([](call& c, auto& plan) { cosface_margin_softmax_make_plan(&c.problem, &c.options, 0, &plan, nullptr); });
}

TEST(error, environment_caps_and_counts) {
  const auto plan_under = [](const char* variable, const char* value) {
    const scoped_variable set(variable, value);
    call c;
    c.problem.batch = 4000;
    c.problem.classes = 40000;
    c.problem.dim = 64;
    c.options.threads = 0;
    cosface_margin_softmax_plan plan{};
    cosface_error error;
    EXPECT_EQ(cosface_margin_softmax_make_plan(&c.problem, &c.options, 1, &plan, &error), COSFACE_OK) << error.message;
    return plan;
  };
  EXPECT_EQ(plan_under("COSFACE_ISA", "scalar").isa, COSFACE_ISA_SCALAR);
  EXPECT_EQ(plan_under("COSFACE_ISA", "auto").isa, supported_isas().back());
  EXPECT_EQ(plan_under("COSFACE_ISA", "").isa, supported_isas().back());
  EXPECT_EQ(plan_under("COSFACE_THREADS", "1").threads, 1);
  EXPECT_EQ(plan_under("COSFACE_THREADS", "3").threads, 3);
  const scoped_variable set("COSFACE_ISA", "scalar");
  cosface_isa best;
  EXPECT_EQ(cosface_best_isa(&best, nullptr), COSFACE_OK);
  EXPECT_EQ(best, COSFACE_ISA_SCALAR);
}

TEST(error, debug_prints_the_plan) {
  const scoped_variable debug("COSFACE_DEBUG", "plan");
  call c;
  testing::internal::CaptureStderr();
  EXPECT_EQ(c.run(nullptr), COSFACE_OK);
  const std::string printed = testing::internal::GetCapturedStderr();
  for (const char* word : {"cosface plan", "N 6", "C 5", "D 3", "MiB", "6NCD"})
    EXPECT_NE(printed.find(word), std::string::npos) << word << " in " << printed;
}

TEST(error, codes_and_names_are_stable) {
  const std::pair<cosface_status, const char*> codes[] = {{COSFACE_ERROR_SHAPE, "COSFACE_SHAPE"},
                                                          {COSFACE_ERROR_OPTION, "COSFACE_OPTION_RANGE"},
                                                          {COSFACE_ERROR_LABEL_RANGE, "COSFACE_LABEL_RANGE"},
                                                          {COSFACE_ERROR_NOT_FINITE, "COSFACE_NOT_FINITE"},
                                                          {COSFACE_ERROR_MARGIN_RANGE, "COSFACE_MARGIN_RANGE"},
                                                          {COSFACE_ERROR_ENVIRONMENT, "COSFACE_ENVIRONMENT"},
                                                          {COSFACE_ERROR_OUT_OF_MEMORY, "COSFACE_OUT_OF_MEMORY"},
                                                          {COSFACE_ERROR_UNSUPPORTED, "COSFACE_UNSUPPORTED"}};
  for (const auto& [status, code] : codes) EXPECT_STREQ(cosface_status_code(status), code);
  EXPECT_STREQ(cosface_isa_name(COSFACE_ISA_SCALAR), "scalar");
  EXPECT_STREQ(cosface_isa_name(COSFACE_ISA_AVX2), "avx2");
  cosface_isa unknown;
  set_raw(unknown, 7);  // beyond the last, within what the type can hold
  EXPECT_EQ(cosface_isa_name(unknown), nullptr);
  EXPECT_EQ(cosface_isa_supported(unknown), 0);
  EXPECT_EQ(cosface_isa_supported(COSFACE_ISA_SCALAR), 1);
}

TEST(error, defaults_are_the_papers) {
  cosface_margin_softmax_options o;
  std::memset(&o, 0x5a, sizeof o);
  cosface_margin_softmax_default_options(&o);
  const cosface_margin_softmax_options expected = cos_face_options();
  EXPECT_EQ(o.scale, expected.scale);
  EXPECT_EQ(o.m1, expected.m1);
  EXPECT_EQ(o.m2, expected.m2);
  EXPECT_EQ(o.m3, expected.m3);
  EXPECT_EQ(o.ignore_label, expected.ignore_label);
  EXPECT_EQ(o.reduction, expected.reduction);
  EXPECT_EQ(o.gradient, expected.gradient);
  EXPECT_EQ(o.isa, expected.isa);
  EXPECT_EQ(o.threads, 0);
  EXPECT_EQ(o.workspace_bytes, int64_t{64} << 20);
}

}  // namespace
}  // namespace cosface::test
