// What a kernel asks of the machine beyond plain C++: the only place with PTX.
//
// Compiled by nvcc or NVRTC these are instructions of sm_80 and later; by a C++ compiler they are calls to the
// emulator, which executes the same kernel sources on the CPU (emulator/README.md). Names in capitals are macros, since
// the emulator tells by file and line whether all threads of a warp or block stand at the same place.
//
//   BLOCK_BARRIER()              __syncthreads
//   BLOCK_ANY(condition)         __syncthreads_or: whether it holds for any thread of the block
//   WARP_BARRIER()               __syncwarp of the whole warp
//   SHUFFLE_XOR(value, mask)     of lane ^ mask, SHUFFLE_DOWN(value, by) of lane + by; float, double, 32-bit integers
//   BALLOT(condition)            a bit per lane
//   LOAD_MATRICES(r, row)        ldmatrix.x4: lanes 8m .. 8m + 7 name the rows (16 bytes, so aligned) of matrix m = 0
//   .. 3 LOAD_MATRICES_TRANSPOSED     the same with .trans MULTIPLY_HALF(d, a, b0, b1)  d += a b, mma.m16n8k16 of f16
//   (MULTIPLY_BF16: of bf16) with fp32 sums
//
// All 32 lanes take part in what is of a warp. Which lane has which element: emulator/fragments.h, held against CuTe.
// atomicMin, atomicMax, atomicAdd on uint32_t and the functions of math.h are as in CUDA.
#pragma once

#include <cstdint>

#if !defined(__CUDACC__) && !defined(__CUDACC_RTC__)
#include "cuda/emulator/gpu_on_host.h"
#else

#define BLOCK_BARRIER() __syncthreads()
#define BLOCK_ANY(condition) __syncthreads_or(condition)
#define WARP_BARRIER() __syncwarp()
#define SHUFFLE_XOR(value, mask) __shfl_xor_sync(0xffffffffu, value, mask)
#define SHUFFLE_DOWN(value, by) __shfl_down_sync(0xffffffffu, value, by)
#define BALLOT(condition) __ballot_sync(0xffffffffu, condition)
#define LOAD_MATRICES(r, row) cosface::cuda::gpu::load_matrices(r, row)
#define LOAD_MATRICES_TRANSPOSED(r, row) cosface::cuda::gpu::load_matrices_transposed(r, row)
#define MULTIPLY_HALF(d, a, b0, b1) cosface::cuda::gpu::multiply_half(d, a, b0, b1)
#define MULTIPLY_BF16(d, a, b0, b1) cosface::cuda::gpu::multiply_bf16(d, a, b0, b1)

namespace cosface::cuda {

__device__ __forceinline__ uint32_t float_bits(float value) { return __float_as_uint(value); }
__device__ __forceinline__ float bits_float(uint32_t bits) { return __uint_as_float(bits); }

namespace gpu {

// The dynamic shared memory of the block, which must hold a T. There is no other: the emulator knows of this one only.
template <class T>
__device__ __forceinline__ T& shared() {
  extern __shared__ __align__(128) unsigned char bytes[];
  return *reinterpret_cast<T*>(bytes);
}

__device__ __forceinline__ uint32_t shared_address(const void* p) {
  return static_cast<uint32_t>(__cvta_generic_to_shared(p));
}

// 2^x to 2 ulp; subnormal results are 0.
__device__ __forceinline__ float exp2_approximate(float x) {
  float y;
  asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
  return y;
}

// 16 bytes from global to shared memory, both aligned so, at some time before a wait that covers them.
__device__ __forceinline__ void copy_async_16(void* to, const void* from) {
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16;" ::"r"(shared_address(to)), "l"(from) : "memory");
}
// Zeros where `there` is false; `from` is then not read.
__device__ __forceinline__ void copy_async_16_or_zeros(void* to, const void* from, bool there) {
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(shared_address(to)), "l"(from), "r"(there ? 16 : 0)
               : "memory");
}
// The copies since the last commit become one group.
__device__ __forceinline__ void commit_copies() { asm volatile("cp.async.commit_group;" ::: "memory"); }
// All groups of this thread but its latest `groups` are there. Other threads see them after a barrier only.
template <int groups>
__device__ __forceinline__ void wait_for_copies() {
  asm volatile("cp.async.wait_group %0;" ::"n"(groups) : "memory");
}

__device__ __forceinline__ void copy_16(void* to, const void* from) {
  *static_cast<uint4*>(to) = *static_cast<const uint4*>(from);
}
__device__ __forceinline__ void load_4(float (&to)[4], const float* from) {
  const float4 v = *reinterpret_cast<const float4*>(from);
  to[0] = v.x;
  to[1] = v.y;
  to[2] = v.z;
  to[3] = v.w;
}
__device__ __forceinline__ void store_4(float* to, const float (&from)[4]) {
  *reinterpret_cast<float4*>(to) = make_float4(from[0], from[1], from[2], from[3]);
}

// Two values in one register, the first in the low half; rounded to nearest even.
__device__ __forceinline__ uint32_t pack_half2(float first, float second) {
  uint32_t packed;
  asm("cvt.rn.f16x2.f32 %0, %1, %2;" : "=r"(packed) : "f"(second), "f"(first));
  return packed;
}
__device__ __forceinline__ uint32_t pack_bf16x2(float first, float second) {
  uint32_t packed;
  asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(packed) : "f"(second), "f"(first));
  return packed;
}
__device__ __forceinline__ float unpack_half(uint16_t bits) {
  float value;
  asm("cvt.f32.f16 %0, %1;" : "=f"(value) : "h"(bits));
  return value;
}
__device__ __forceinline__ float unpack_bf16(uint16_t bits) { return bits_float(static_cast<uint32_t>(bits) << 16); }

__device__ __forceinline__ void store_half2(uint16_t* to, float first, float second) {
  *reinterpret_cast<uint32_t*>(to) = pack_half2(first, second);
}
__device__ __forceinline__ void load_half2(const uint16_t* from, float& first, float& second) {
  const uint32_t packed = *reinterpret_cast<const uint32_t*>(from);
  first = unpack_half(static_cast<uint16_t>(packed));
  second = unpack_half(static_cast<uint16_t>(packed >> 16));
}

__device__ __forceinline__ void load_matrices(uint32_t (&r)[4], const void* row) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
               : "r"(shared_address(row))
               : "memory");
}
__device__ __forceinline__ void load_matrices_transposed(uint32_t (&r)[4], const void* row) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
               : "r"(shared_address(row))
               : "memory");
}

__device__ __forceinline__ void multiply_half(float (&d)[4], const uint32_t (&a)[4], uint32_t b0, uint32_t b1) {
  asm volatile(
      "mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, "
      "%3};"
      : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}
__device__ __forceinline__ void multiply_bf16(float (&d)[4], const uint32_t (&a)[4], uint32_t b0, uint32_t b1) {
  asm volatile(
      "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, "
      "%3};"
      : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}

}  // namespace gpu
}  // namespace cosface::cuda

#endif
