#include "cuda/plan.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <numbers>

#include "cpu/carver.h"
#include "cuda/tensor_tiles.h"
#include "reference/negative_logit.h"

namespace cosface::cuda {
namespace {

// Rows and classes of a tile, the wider side of fp32_product.cuh, and its narrower side for features.
constexpr int64_t tile = 128, feature_tile = 64, feature_step = 16;
// By default, the most that is taken beyond inputs and outputs, and the part of the device's memory.
constexpr int64_t largest_default_budget = int64_t{2} << 30, default_memory_share = 8;
// A longer chunk saves nothing: its unit rows are long out of L2.
constexpr int64_t largest_chunk = 1 << 17;
// Rows of w that a thread of bend_scores goes down.
constexpr int64_t largest_run = 128;
constexpr int64_t most_parts = 16, blocks_per_multiprocessor = 2, most_tensor_parts = 128;

#define COSFACE_TENSOR_CHOICE(dim, rows, columns) \
  {dim, rows, columns, kernel::pass_1_##dim##_##rows##x##columns, kernel::pass_2_##dim##_##rows##x##columns},
constexpr tensor_choice tensor_choices[] = {COSFACE_TENSOR_TILES(COSFACE_TENSOR_CHOICE)};
#undef COSFACE_TENSOR_CHOICE

// The widest tile of this D that fits; null where there is none.
const tensor_choice* choose_tile(int64_t dim, const device_properties& device) {
  for (const tensor_choice& t : tensor_choices)
    if (t.dim == dim && tensor_shared_bytes(t.dim, t.rows, t.columns) <= device.shared_bytes_per_block) return &t;
  return nullptr;
}

int64_t budget_of(const cosface_margin_softmax_options& o, const device_properties& device) {
  if (o.workspace_bytes > 0) return o.workspace_bytes;
  return std::min(largest_default_budget, device.memory_bytes / default_memory_share);
}

// What V can be of a cosine: docs/cuda.md, section 5.
struct bent_range {
  double low, high, slope;
};

bent_range range_of(const cosface_margin_softmax_options& o) {
  // Samples may have margins of their own.
  constexpr double largest_margin = 2, circle = (1 + largest_margin) * (1 + largest_margin);
  if (o.curve == COSFACE_CURVE_CIRCLE) return {-circle, circle, 2 * (1 + largest_margin)};
  if (o.curve == COSFACE_CURVE_POWER) return {-1, 1, o.curve_exponent};
  if (o.negatives == COSFACE_NEGATIVES_CURRICULAR) return {-2, 2, 3};
  if (o.negatives != COSFACE_NEGATIVES_PLAIN) return {-1, 1 + 2 * o.negatives_t, 1 + o.negatives_t};
  return {-1, 1, 1};
}

// The whole-number shift of every row where no row maximum is needed: docs/math.md, section 2.
double fixed_shift(double base2_scale, int64_t classes, const bent_range& range) {
  const double room = 124 - std::ceil(std::log2(static_cast<double>(classes))) - std::ceil(std::log2(range.slope));
  return std::min(0.0, std::floor(room - base2_scale * range.high));
}

// What has no bounds, or none that all rows share.
bool unbounded(const step_plan& plan, const cosface_margin_softmax_options& o) {
  return !o.normalize_embeddings || !o.normalize_weights || plan.shape.bias;
}

// Pass 1 on tensor cores finds its shifts as it goes; the binary form has none.
void choose_shift(step_plan& plan, const cosface_margin_softmax_options& o) {
  if (plan.tile != nullptr || o.form == COSFACE_FORM_BINARY) return;
  const double base2_scale = o.scale * std::numbers::log2e;
  const bent_range range = range_of(o);
  const double shift = fixed_shift(base2_scale, plan.shape.classes, range);
  // The least exponential must not vanish, and s over their least sum must stay below 2^124.
  plan.row_shift =
      unbounded(plan, o) || shift + base2_scale * range.low < std::log2(std::max(o.scale * range.slope, 1.0)) - 124;
  plan.shift = plan.row_shift ? 0 : static_cast<float>(shift);
}

// Whether the passes' exponentials of cosines are not all there is to it: bend_scores.cuh.
bool bends(const step_plan& plan, const cosface_margin_softmax_options& o) {
  return unbounded(plan, o) || !has_plain_negatives(o) || filters_classes(o) || o.sub_centers > 1 ||
         o.form == COSFACE_FORM_BINARY;
}

int64_t blocks_at_a_time(const step_plan& plan, const device_properties& device) {
  if (plan.tile == nullptr) return blocks_per_multiprocessor * device.multiprocessors;
  const int64_t bytes = tensor_shared_bytes(plan.tile->dim, plan.tile->rows, plan.tile->columns);
  const bool two_fit = plan.tile->dim < 256 && 2 * bytes <= device.shared_bytes_per_multiprocessor;
  return (two_fit ? 2 : 1) * device.multiprocessors;
}

// Parts of dx: as many blocks as the multiprocessors take at a time.
void cut_parts(step_plan& plan, const device_properties& device) {
  const int64_t blocks_of_part = plan.tile ? ceil_div(plan.shape.batch, plan.tile->rows)
                                           : plan.padded_batch / tile * (plan.padded_dim / feature_tile);
  const int64_t wanted = blocks_at_a_time(plan, device) / std::max<int64_t>(blocks_of_part, 1);
  const int64_t parts = std::clamp<int64_t>(wanted, 1, plan.tile ? most_tensor_parts : most_parts);
  plan.classes_per_part = round_up(ceil_div(plan.chunk, parts), plan.tile ? plan.tile->columns : tile);
  plan.parts = ceil_div(plan.chunk, plan.classes_per_part);
}

void cut_chunks(step_plan& plan, int64_t chunk, const device_properties& device) {
  plan.chunk = plan.centers == 1 ? chunk : std::max(plan.centers, chunk - chunk % plan.centers);
  plan.chunks = ceil_div(plan.rows(), plan.chunk);
  cut_parts(plan, device);
}

int64_t exponential_bytes(const step_plan& plan) {
  return plan.padded_chunk() * plan.padded_batch * plan.operand_bytes();
}

int64_t held_exponentials(const step_plan& plan) {
  const bool one_at_a_time = plan.tile == nullptr && plan.kept_chunks < plan.chunks;
  return plan.kept_chunks + one_at_a_time;
}

// At most 2^61, which no budget holds: all chunks of the largest shape would be 2^64.
int64_t held_bytes(const step_plan& plan) {
  constexpr int64_t most = int64_t{1} << 61;
  const int64_t held = held_exponentials(plan), each = exponential_bytes(plan);
  return each > 0 && held > most / each ? most : held * each;
}

step_layout lay_out(const step_plan& plan) {
  const int64_t rows = plan.padded_batch, dim = plan.padded_dim, tiles = plan.padded_chunk() / tile;
  const bool gradients = plan.shape.gradients, general = plan.tile == nullptr, bent = plan.bent;
  const auto where = [](bool wanted, int64_t count) { return wanted ? count : 0; };
  carver at;
  step_layout l{};
  l.faults = at.take(1, sizeof(first_faults));
  l.report = at.take(1, sizeof(step_report));
  l.samples = at.take(plan.shape.batch, sizeof(sample_state));
  l.targets = at.take(rows, 4);
  l.shifts = at.take(rows, 4);
  l.target_seen = at.take(rows, 4);
  l.partials = at.take((general ? 1 : plan.parts) * rows, sizeof(row_partial));
  l.order = at.take(where(gradients, rows), 4);
  l.ordered_labels = at.take(where(gradients, rows), 4);
  l.corrected_row = at.take(where(gradients && general, rows), 4);
  l.corrected = at.take(where(gradients && general, rows), 4);
  l.redo_rows = at.take(where(gradients && general, rows), 4);
  l.factors = at.take(where(gradients && !general, rows), sizeof(row_factor));
  l.row_units = at.take(rows * dim, plan.operand_bytes());
  l.scaled_rows = at.take(where(gradients && general, rows * dim), 4);
  l.parts = at.take(where(gradients, plan.parts * rows * dim), 4);
  l.class_units = at.take(plan.padded_chunk() * dim, plan.operand_bytes());
  l.tile_sums = at.take(where(general && !bent, tiles * rows), 4);
  l.tile_best = at.take(where(general && !bent, tiles * rows), 4);
  l.tile_best_class = at.take(where(general && !bent, tiles * rows), 4);
  l.redo_classes = at.take(where(gradients && general, plan.chunk), 4);
  l.runs = at.take(where(bent, plan.runs_of_chunk() * rows), sizeof(bent_partial));
  l.bent = at.take(where(bent, rows), sizeof(bent_partial));
  l.sum_parts = at.take(where(plan.smooths, most_sum_parts * dim), 8);
  l.class_sum = at.take(where(plan.smooths, dim), 8);
  l.sample_sum = at.take(where(plan.smooths && gradients, dim), 8);
  l.bias_terms = at.take(where(gradients && plan.shape.bias, rows), sizeof(bias_terms));
  l.exponentials = at.take(where(gradients || bent, held_bytes(plan)), 1);
  l.kept_shifts = at.take(where(!general, general ? 0 : plan.kept_chunks * plan.kept_shifts_of_chunk()), 4);
  l.bytes = at.offset;
  return l;
}

// The longest chunk that leaves half of the budget for kept exponentials, or the whole of C where all of them fit.
void choose_chunks(step_plan& plan, const device_properties& device) {
  const int64_t whole = round_up(plan.rows(), tile);
  for (int64_t chunk = std::min(whole, std::max(largest_chunk, plan.centers));; chunk = round_up(chunk / 2, tile)) {
    cut_chunks(plan, chunk, device);
    plan.kept_chunks = plan.shape.gradients ? plan.chunks : 0;
    if (lay_out(plan).bytes <= plan.budget_bytes) return;
    plan.kept_chunks = 0;
    const int64_t least = lay_out(plan).bytes;
    if (least <= plan.budget_bytes / 2 || chunk <= tile) {
      const int64_t per_chunk = exponential_bytes(plan) + (plan.tile ? plan.kept_shifts_of_chunk() * 4 : 0);
      const int64_t room = (plan.budget_bytes - least) / std::max<int64_t>(per_chunk, 1);
      if (plan.shape.gradients) plan.kept_chunks = std::clamp<int64_t>(room, 0, plan.chunks - 1);
      // The general path holds one chunk's exponentials in any case.
      if (plan.shape.gradients && plan.tile == nullptr && plan.chunks == 1) plan.kept_chunks = 1;
      return;
    }
  }
}

}  // namespace

int64_t step_plan::classes_of(int64_t chunk_index) const { return std::min(chunk, rows() - chunk_index * chunk); }

int64_t step_plan::padded_chunk() const { return round_up(chunk, cosface::cuda::tile); }

int64_t step_plan::runs_of_chunk() const { return ceil_div(chunk / centers, classes_per_run); }

int64_t step_plan::kept_shifts_of_chunk() const { return chunk / tile->columns * padded_batch; }

step_plan choose_step_plan(const step_shape& shape, const cosface_margin_softmax_options& options,
                           const device_properties& device) {
  if (shape.dim > largest_dim)
    throw failure(COSFACE_ERROR_UNSUPPORTED,
                  "dim (D) is " + std::to_string(shape.dim) + ", expected at most " + std::to_string(largest_dim) +
                      " on a GPU. Use device 'cpu' or 'auto'.",
                  "dim");
  step_plan plan{};
  plan.shape = shape;
  plan.centers = options.sub_centers;
  plan.bent = bends(plan, options);
  plan.smooths = options.label_smoothing > 0;
  plan.classes_per_run = std::max<int64_t>(1, largest_run / plan.centers);
  const bool halves = options.precision == COSFACE_PRECISION_BF16 && !plan.bent;
  plan.tile = halves ? choose_tile(shape.dim, device) : nullptr;
  plan.path = plan.tile == nullptr ? step_path::general : step_path::tensor_cores;
  choose_shift(plan, options);
  plan.padded_batch = round_up(shape.batch, tile);
  plan.padded_dim = round_up(shape.dim, feature_tile);
  plan.depth = round_up(shape.dim, feature_step);
  plan.budget_bytes = budget_of(options, device);
  choose_chunks(plan, device);
  plan.layout = lay_out(plan);
  plan.workspace_bytes = plan.layout.bytes;
  return plan;
}

std::string describe_step_plan(const step_plan& plan, const device_properties& device) {
  const step_shape& s = plan.shape;
  char products[96] = "fp32, any D", text[640];
  if (plan.tile)
    std::snprintf(products, sizeof products, "half operands on tensor cores, tiles of %d x %d",
                  static_cast<int>(plan.tile->rows), static_cast<int>(plan.tile->columns));
  std::snprintf(text, sizeof text,
                "%s (sm_%d, %d multiprocessors): N=%lld C=%lld D=%lld, %s\n"
                "products   %s%s\n"
                "shift      %s\n"
                "chunks     %lld of %lld classes; exponentials of %lld kept from pass 1 to pass 2%s\n"
                "dx         in %lld parts, added in double\n"
                "workspace  %.1f MB of %.1f MB\n",
                device.name.c_str(), device.capability, device.multiprocessors, static_cast<long long>(s.batch),
                static_cast<long long>(s.classes), static_cast<long long>(s.dim),
                s.gradients ? "loss and gradients" : "loss only", products, plan.bent ? ", then bent to the loss" : "",
                plan.tile        ? "each row's own, lowered as the sweep goes"
                : plan.row_shift ? "each row's maximum is found first (2NCD more)"
                                 : "one for all rows",
                static_cast<long long>(plan.chunks), static_cast<long long>(plan.chunk),
                static_cast<long long>(plan.kept_chunks),
                !s.gradients                      ? ""
                : plan.kept_chunks == plan.chunks ? " (6NCD)"
                                                  : ", the rest formed again (8NCD there)",
                static_cast<long long>(plan.parts), static_cast<double>(plan.workspace_bytes) * 1e-6,
                static_cast<double>(plan.budget_bytes) * 1e-6);
  return text;
}

}  // namespace cosface::cuda
