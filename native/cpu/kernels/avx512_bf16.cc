// AVX-512 with VDPBF16PS: as avx512.cc, and two bf16 products in the time of one fp32 product.
#if defined(__x86_64__) || defined(_M_X64)

#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx512f,avx512bw,avx512bf16,fma"))), apply_to = function)
#elif defined(__GNUC__)
#pragma GCC target("avx512f,avx512bw,avx512bf16,fma")
#endif

#define COSFACE_AVX512_BF16 1
#include "cpu/kernels/avx512_vector.h"
#include "cpu/kernels/tile_kernels.h"

namespace cosface {
constexpr cpu_kernels avx512_bf16_kernels = make_kernels(COSFACE_ISA_AVX512_BF16);
}  // namespace cosface

#if defined(__clang__)
#pragma clang attribute pop
#endif

#endif
