// How a step is cut into passes, chunks and blocks, and where its memory lies.
//
//   rows     counts and checks, norms, target cosines, unit rows                     a warp a sample
//   bend     scores of a chunk into what the gradient products multiply, where the loss is more than a margin
//   maxima   each row's largest negative logit, where one shift does not serve all   2NCD flops more
//   pass 1   a chunk of classes at a time: unit rows of w; logits, exponentials, their sums, unnormalised dx
//   finish   losses, predictions, dx through the normalisation                       a warp a sample
//   pass 2   a chunk at a time: dw, each block written once; the exponentials are kept or formed again
//
// Everything follows from shape, options and the properties of the device, so the same device gives the same bits on
// every run. Kernels: cuda/kernels, one phase a file.
#pragma once

#include <cstdint>
#include <string>

#include "cosface/margin_softmax.h"
#include "cuda/device.h"

namespace cosface::cuda {

struct step_shape {
  int64_t batch;    // N
  int64_t classes;  // C, of the subset where there is one
  int64_t dim;      // D in [1, largest_dim]
  bool gradients;
  bool bias = false;  // whether there is one, or its derivative is wanted
};

constexpr int64_t largest_dim = 4096;
// Of the sums over all classes and all samples that label smoothing wants.
constexpr int64_t most_sum_parts = 64;

enum class step_path {
  general,      // three products in fp32, for any D
  tensor_cores  // half operands, logits and gradients fused; where precision permits bf16 and D has a tile
};

// A tile of cuda/tensor_tiles.h and its kernels.
struct tensor_choice {
  int64_t dim, rows, columns;
  kernel pass_1, pass_2;
};

// Byte offsets into the workspace.
struct step_layout {
  int64_t faults, report;
  int64_t samples, targets, shifts, target_seen, partials, order, ordered_labels;
  int64_t corrected_row, corrected, redo_rows, factors;
  int64_t row_units, scaled_rows, parts;
  int64_t class_units, tile_sums, tile_best, tile_best_class, redo_classes;  // of a chunk
  int64_t runs, bent;
  int64_t sum_parts, class_sum, sample_sum;  // label smoothing
  int64_t bias_terms;
  int64_t exponentials;  // chunk after chunk
  int64_t kept_shifts;
  int64_t bytes;
};

struct step_plan {
  step_shape shape;
  step_path path;
  const tensor_choice* tile;  // null on the general path
  bool bent;                  // scores go through bend_scores
  int64_t centers;            // K: rows of w of a class
  bool row_shift;             // s is so large that each row's maximum is found first
  float shift;                // of every row, where it is not
  int64_t padded_batch, padded_dim;
  int64_t depth;             // features that the logits' product goes through
  int64_t chunk, chunks;     // rows of w of a chunk (but the last): whole classes, and whole tiles where K is 1
  int64_t kept_chunks;       // whose exponentials are kept from pass 1 to pass 2
  int64_t parts;             // partial sums of dx
  int64_t classes_per_part;  // rows of w, of a chunk
  int64_t classes_per_run;   // of bend_scores
  bool smooths;
  int64_t budget_bytes;
  step_layout layout;
  int64_t workspace_bytes;  // exactly what run_step uses

  int64_t rows() const { return shape.classes * centers; }
  int64_t classes_of(int64_t chunk_index) const;  // rows of w
  int64_t padded_chunk() const;                   // a whole number of tiles
  int64_t runs_of_chunk() const;
  int64_t kept_shifts_of_chunk() const;                              // tensor cores only
  int64_t operand_bytes() const { return tile == nullptr ? 4 : 2; }  // of an element that the products read
};

// Throws failure where the shape is beyond what the kernels take.
step_plan choose_step_plan(const step_shape& shape, const cosface_margin_softmax_options& options,
                           const device_properties& properties);

// For people: what was chosen and why. The words may change.
std::string describe_step_plan(const step_plan& plan, const device_properties& properties);

}  // namespace cosface::cuda
