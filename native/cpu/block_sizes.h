// The sizes of blocks, by instruction set. They suppose the caches that every processor with that set
// has, and not those of the processor at hand: the cuts set the order of the sums, and one instruction
// set is to give the same bits on every machine.
#pragma once

#include <cstdint>

#include "cosface/margin_softmax.h"

namespace cosface {

struct block_sizes {
  int64_t class_block_bytes;    // of a packed block of classes: with its exponentials it stays in L2
  int64_t largest_class_block;  // a whole number of tiles
  int64_t largest_row_group;    // rows of a pass-1 task: their operand and their part of dx stay in L2
  // Depth of one register-resident sum, in words: bounds the rounding error, and keeps the panel of the
  // vector operand (depth x NR words) in L1.
  int64_t feature_depth, sample_depth;
  int64_t tiles_per_turn;  // of pass 2, see job::pass_2
  // Whether products may read w where it lies. Its rows lie at strides that crowd the sets of L1, which wide
  // tiles do not mind, as they ask for few bytes per multiply-add, and narrow ones do.
  bool read_weights_in_place;
};

constexpr block_sizes block_sizes_of(cosface_isa isa) {
  switch (isa) {
    case COSFACE_ISA_AVX512:  // 1 MiB of L2 and more
    case COSFACE_ISA_AVX512_BF16: return {240 << 10, 112, 256, 512, 512, 2, true};
    case COSFACE_ISA_AVX2: return {128 << 10, 120, 256, 256, 256, 4, false};  // 256 KiB and more
    case COSFACE_ISA_NEON:
    case COSFACE_ISA_WASM_SIMD:
    default: return {128 << 10, 120, 256, 64, 128, 4, false};
  }
}

}  // namespace cosface
