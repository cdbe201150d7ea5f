// Kernels that scripts/cuda-static-check.mjs must refuse, each for its own reason: the test of that test.

// 128 sums alive in 64 registers, which is what two blocks of 512 threads leave each thread.
extern "C" __global__ void __launch_bounds__(512, 2) cosface_spills(const float* values, float* sums, int count) {
  float sum[128] = {};
  for (int i = 0; i < count; ++i) {
#pragma unroll
    for (int j = 0; j < 128; ++j) sum[j] = sum[j] * values[i] + values[i + j];
  }
#pragma unroll
  for (int j = 0; j < 128; ++j) sums[threadIdx.x * 128 + j] = sum[j];
}

// An index that the compiler does not know: registers have none.
extern "C" __global__ void __launch_bounds__(128) cosface_local_array(const int* indices, float* results) {
  float row[32];
  for (int j = 0; j < 32; ++j) row[indices[j] & 31] = results[j];
  results[threadIdx.x] = row[indices[threadIdx.x] & 31];
}

extern "C" __global__ void __launch_bounds__(128) cosface_in_double(double* values) {
  values[threadIdx.x] = values[threadIdx.x] * values[0] + values[1];
}

extern "C" __global__ void __launch_bounds__(128) cosface_without_budget(float* values) { values[threadIdx.x] = 1; }
