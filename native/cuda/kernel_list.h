// Every kernel there is: X(name, params struct). The device code has it as `extern "C" __global__ void
// cosface_NAME(PARAMS)`. device.h makes the enum of it, and the loader and the emulated driver find kernels by it.
#pragma once

#include "cuda/params.h"

#define COSFACE_CUDA_KERNELS(X)                    \
  X(count_samples, count_samples_params)           \
  X(prepare_rows, prepare_rows_params)             \
  X(prepare_classes, prepare_classes_params)       \
  X(order_labels, order_labels_params)             \
  X(logits_fp32, logits_fp32_params)               \
  X(fold_tiles, fold_tiles_params)                 \
  X(bend_scores, bend_scores_params)               \
  X(fold_runs, fold_runs_params)                   \
  X(sum_units, sum_units_params)                   \
  X(sum_samples, sum_samples_params)               \
  X(fold_sums, fold_sums_params)                   \
  X(dx_fp32, dx_fp32_params)                       \
  X(finish_rows, finish_rows_params)               \
  X(redo_rows, redo_rows_params)                   \
  X(patch_exponentials, patch_exponentials_params) \
  X(dw_fp32, dw_fp32_params)                       \
  X(sum_bias, sum_bias_params)                     \
  X(finish_classes, finish_classes_params)         \
  X(redo_classes, redo_classes_params)             \
  X(add_losses, add_losses_params)                 \
  X(pass_1_64_64x64, pass_1_params)                \
  X(pass_1_128_64x64, pass_1_params)               \
  X(pass_1_256_64x64, pass_1_params)               \
  X(pass_1_256_64x32, pass_1_params)               \
  X(pass_1_512_64x64, pass_1_params)               \
  X(pass_1_512_64x32, pass_1_params)               \
  X(pass_1_512_32x32, pass_1_params)               \
  X(pass_2_64_64x64, pass_2_params)                \
  X(pass_2_128_64x64, pass_2_params)               \
  X(pass_2_256_64x64, pass_2_params)               \
  X(pass_2_256_64x32, pass_2_params)               \
  X(pass_2_512_64x64, pass_2_params)               \
  X(pass_2_512_64x32, pass_2_params)               \
  X(pass_2_512_32x32, pass_2_params)               \
  X(sgd_update, sgd_update_params)
