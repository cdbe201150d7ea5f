/* What the processor and its memory can do at most, measured: the roofs that a kernel's speed is held against. */
#ifndef COSFACE_MACHINE_RATES_H
#define COSFACE_MACHINE_RATES_H

#include <stdint.h>

#include "cosface/margin_softmax.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Flops per second of multiply-adds between registers on `threads` threads at once, over about `seconds`.
 *
 * FP32 counts the vectors of `isa`, for `scalar` those of the processor's baseline. BF16 counts the products of pairs
 * of AVX512_BF16; elsewhere, and for BF16_GRADIENTS, it is FP32. 0 where this processor or build lacks `isa`, or the
 * system refuses a thread. */
double cosface_fma_rate(cosface_isa isa, cosface_precision precision, int32_t threads, double seconds);

/* Bytes per second of a = b + s c over three arrays of `array_bytes` each, on `threads` threads: two arrays read and
 * one written, as STREAM's triad counts it. One pass that does not count, then passes until `seconds` are over; the
 * median. 0 where the memory or a thread cannot be had. */
double cosface_memory_rate(int64_t array_bytes, int32_t threads, double seconds);

#ifdef __cplusplus
}
#endif
#endif
