// AVX-512 (F): see avx512_vector.h.
#if defined(__x86_64__) || defined(_M_X64)

#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx512f,fma"))), apply_to = function)
#elif defined(__GNUC__)
#pragma GCC target("avx512f,fma")
#endif

#include "cpu/kernels/avx512_vector.h"
#include "cpu/kernels/tile_kernels.h"

namespace cosface {
constexpr cpu_kernels avx512_kernels = make_kernels(COSFACE_ISA_AVX512);
}  // namespace cosface

#if defined(__clang__)
#pragma clang attribute pop
#endif

#endif
