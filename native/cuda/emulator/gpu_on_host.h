// gpu.h for a C++ compiler: the words of CUDA, and its instructions as calls to the emulator.
#pragma once

#include <math.h>

#include <bit>
#include <cstdint>
#include <cstring>

#include "cuda/emulator/execution.h"
#include "cuda/emulator/half_formats.h"

#define __global__
#define __device__
#define __host__
#define __forceinline__ inline __attribute__((always_inline))
#define __launch_bounds__(...)
#define threadIdx (cosface::cuda::emulator::running->thread)
#define blockIdx (cosface::cuda::emulator::running->block)
#define blockDim (cosface::cuda::emulator::block_size)
#define gridDim (cosface::cuda::emulator::grid_size)

// A place in the source, told apart from others of its line by a number.
#define COSFACE_TEXT_OF(x) #x
#define COSFACE_TEXT(x) COSFACE_TEXT_OF(x)
#define COSFACE_HERE __FILE__ ":" COSFACE_TEXT(__LINE__) " (" COSFACE_TEXT(__COUNTER__) ")"

#define BLOCK_BARRIER() ((void)cosface::cuda::emulator::block_barrier(false, COSFACE_HERE))
#define BLOCK_ANY(condition) cosface::cuda::emulator::block_barrier(condition, COSFACE_HERE)
#define WARP_BARRIER() cosface::cuda::gpu::warp_barrier(COSFACE_HERE)
#define SHUFFLE_XOR(value, mask) cosface::cuda::gpu::shuffle(value, cosface::cuda::gpu::lane() ^ (mask), COSFACE_HERE)
#define SHUFFLE_DOWN(value, by) cosface::cuda::gpu::shuffle_down(value, by, COSFACE_HERE)
#define BALLOT(condition) cosface::cuda::gpu::ballot(condition, COSFACE_HERE)
#define LOAD_MATRICES(r, row) \
  cosface::cuda::gpu::load_matrices(cosface::cuda::emulator::warp_operation::load_matrices, r, row, COSFACE_HERE)
#define LOAD_MATRICES_TRANSPOSED(r, row)                                                                       \
  cosface::cuda::gpu::load_matrices(cosface::cuda::emulator::warp_operation::load_matrices_transposed, r, row, \
                                    COSFACE_HERE)
#define MULTIPLY_HALF(d, a, b0, b1) \
  cosface::cuda::gpu::multiply(cosface::cuda::emulator::warp_operation::multiply_half, d, a, b0, b1, COSFACE_HERE)
#define MULTIPLY_BF16(d, a, b0, b1) \
  cosface::cuda::gpu::multiply(cosface::cuda::emulator::warp_operation::multiply_bf16, d, a, b0, b1, COSFACE_HERE)

namespace cosface::cuda {

inline uint32_t float_bits(float value) { return std::bit_cast<uint32_t>(value); }
inline float bits_float(uint32_t bits) { return std::bit_cast<float>(bits); }

namespace gpu {

using emulator::warp_collective, emulator::warp_operation, emulator::whole_warp;

inline int lane() { return static_cast<int>(emulator::running->linear % 32); }

template <class T>
T& shared() {
  if (sizeof(T) > emulator::shared_bytes)
    emulator::broken_rule("%zu bytes of shared memory are used, the launch asked for %zu", sizeof(T),
                          emulator::shared_bytes);
  return *reinterpret_cast<T*>(emulator::shared_memory);
}

inline float exp2_approximate(float x) {
  const float y = exp2f(x);
  return y < 0x1p-126f ? 0 : y;
}

#define COSFACE_REQUIRE_ALIGNMENT(p, bytes)          \
  if (reinterpret_cast<uintptr_t>(p) % (bytes) != 0) \
  emulator::broken_rule("%s: %s = %p, expected a multiple of %d", __func__, #p, static_cast<const void*>(p), bytes)

inline void copy_async_16(void* to, const void* from) { emulator::copy_async(to, from, "copy_async_16"); }
inline void copy_async_16_or_zeros(void* to, const void* from, bool there) {
  emulator::copy_async(to, there ? from : nullptr, "copy_async_16_or_zeros");
}
inline void commit_copies() { emulator::commit_copies(); }
template <int groups>
void wait_for_copies() {
  emulator::wait_for_copies(groups);
}

inline void copy_16(void* to, const void* from) {
  COSFACE_REQUIRE_ALIGNMENT(to, 16);
  COSFACE_REQUIRE_ALIGNMENT(from, 16);
  memcpy(to, from, 16);
}
inline void load_4(float (&to)[4], const float* from) {
  COSFACE_REQUIRE_ALIGNMENT(from, 16);
  memcpy(to, from, 16);
}
inline void store_4(float* to, const float (&from)[4]) {
  COSFACE_REQUIRE_ALIGNMENT(to, 16);
  memcpy(to, from, 16);
}

inline uint32_t pack_half2(float first, float second) {
  return emulator::half_of_float(first) | static_cast<uint32_t>(emulator::half_of_float(second)) << 16;
}
inline uint32_t pack_bf16x2(float first, float second) {
  return emulator::bf16_of_float(first) | static_cast<uint32_t>(emulator::bf16_of_float(second)) << 16;
}
inline float unpack_half(uint16_t bits) { return emulator::float_of_half(bits); }
inline float unpack_bf16(uint16_t bits) { return emulator::float_of_bf16(bits); }

inline void store_half2(uint16_t* to, float first, float second) {
  COSFACE_REQUIRE_ALIGNMENT(to, 4);
  to[0] = emulator::half_of_float(first);
  to[1] = emulator::half_of_float(second);
}
inline void load_half2(const uint16_t* from, float& first, float& second) {
  COSFACE_REQUIRE_ALIGNMENT(from, 4);
  first = unpack_half(from[0]);
  second = unpack_half(from[1]);
}

inline void warp_barrier(const char* where) {
  warp_collective(warp_operation::barrier, whole_warp, nullptr, 0, 0, where);
}

template <class T>
T shuffle(T value, int from_lane, const char* where) {
  static_assert(sizeof(T) == 4 || sizeof(T) == 8);
  T result;
  memcpy(&result, warp_collective(warp_operation::shuffle, whole_warp, &value, sizeof(T), from_lane, where), sizeof(T));
  return result;
}
// Past the last lane a lane keeps its own value.
template <class T>
T shuffle_down(T value, int by, const char* where) {
  return shuffle(value, lane() + by < 32 ? lane() + by : lane(), where);
}

inline unsigned ballot(bool condition, const char* where) {
  unsigned result;
  memcpy(&result, warp_collective(warp_operation::ballot, whole_warp, nullptr, 0, condition, where), sizeof(result));
  return result;
}

// The lane reads its row itself, so that sanitizers see who read it.
inline void load_matrices(warp_operation operation, uint32_t (&r)[4], const void* row, const char* where) {
  COSFACE_REQUIRE_ALIGNMENT(row, 16);
  uint32_t own[4];
  memcpy(own, row, sizeof(own));
  memcpy(r, warp_collective(operation, whole_warp, own, sizeof(own), 0, where), sizeof(r));
}

struct product_operands {
  uint32_t a[4], b[2];
  float d[4];
};
inline void multiply(warp_operation operation, float (&d)[4], const uint32_t (&a)[4], uint32_t b0, uint32_t b1,
                     const char* where) {
  const product_operands in{{a[0], a[1], a[2], a[3]}, {b0, b1}, {d[0], d[1], d[2], d[3]}};
  memcpy(d, warp_collective(operation, whole_warp, &in, sizeof(in), 0, where), sizeof(d));
}

#undef COSFACE_REQUIRE_ALIGNMENT

}  // namespace gpu
}  // namespace cosface::cuda

// CUDA's atomics are relaxed; they return what was there before.
template <class change>
uint32_t cosface_atomic_update(uint32_t* at, const change& next) {
  uint32_t before = __atomic_load_n(at, __ATOMIC_RELAXED);
  while (!__atomic_compare_exchange_n(at, &before, next(before), true, __ATOMIC_RELAXED, __ATOMIC_RELAXED)) {
  }
  return before;
}
inline uint32_t atomicMin(uint32_t* at, uint32_t value) {
  return cosface_atomic_update(at, [=](uint32_t old) { return value < old ? value : old; });
}
inline uint32_t atomicMax(uint32_t* at, uint32_t value) {
  return cosface_atomic_update(at, [=](uint32_t old) { return value > old ? value : old; });
}
inline uint32_t atomicAdd(uint32_t* at, uint32_t value) { return __atomic_fetch_add(at, value, __ATOMIC_RELAXED); }
