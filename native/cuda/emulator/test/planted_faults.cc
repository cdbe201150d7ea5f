// A small kernel with one classic fault, by name: planted_faults_test.cc runs this program and looks at its exit
// status.
//
//   0 the results are right, 1 they are wrong, 42 the emulator names a broken rule, 66 ThreadSanitizer, 67
//   AddressSanitizer
//
// The kernel sums the rows of a matrix, a block of two warps per row, through two buffers of shared memory filled by
// asynchronous copies: what the project's kernels do, and where one goes wrong.
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "launch_kernel.h"

namespace cosface::cuda::emulator::test {
namespace {

enum class fault {
  none,
  no_barrier_before_reuse,
  no_barrier_after_wait,
  wait_too_lax,
  no_bound,
  warp_skips_barrier,
  lanes_exit_before_shuffle,
  copy_left_at_exit,
  blocks_write_one_address,
};

constexpr int block_threads = 64, piece = 4, tile_columns = block_threads * piece;
constexpr int rows = 5, columns = 3 * tile_columns - 20;

struct sum_rows_params {
  const float* in;  // [rows, columns]
  float* sums;      // [rows]
  int* done;        // one flag
};

struct sum_rows_shared {
  float tiles[2][tile_columns];
  float warp_sums[2];
};

template <fault planted>
void load_tile(const sum_rows_params& p, sum_rows_shared& shared, int t) {
  const int within = static_cast<int>(threadIdx.x) * piece, column = t * tile_columns + within;
  const bool there = planted == fault::no_bound || column < columns;
  gpu::copy_async_16_or_zeros(shared.tiles[t % 2] + within, p.in + blockIdx.x * columns + column, there);
  gpu::commit_copies();
}

template <fault planted>
float sum_of_thread(const sum_rows_params& p, sum_rows_shared& shared) {
  constexpr int tiles = (columns + tile_columns - 1) / tile_columns, lax = planted == fault::wait_too_lax;
  const int thread = static_cast<int>(threadIdx.x);
  float sum = 0;
  load_tile<planted>(p, shared, 0);
  for (int t = 0; t < tiles; t++) {
    if (t + 1 < tiles) {
      load_tile<planted>(p, shared, t + 1);
      gpu::wait_for_copies<1 + lax>();
    } else {
      gpu::wait_for_copies<lax>();
    }
    const bool skips =
        planted == fault::no_barrier_after_wait || (planted == fault::warp_skips_barrier && thread >= 32 && t == 1);
    if (!skips) BLOCK_BARRIER();
    // Of a thread in the other warp.
    const int from = (thread + 32) % block_threads * piece;
    for (int k = 0; k < piece; k++) sum += shared.tiles[t % 2][from + k];
    if (planted != fault::no_barrier_before_reuse) BLOCK_BARRIER();
  }
  if (planted == fault::wait_too_lax) gpu::wait_for_copies<0>();
  if (planted == fault::copy_left_at_exit) load_tile<planted>(p, shared, 0);
  return sum;
}

template <fault planted>
void sum_rows(sum_rows_params p) {
  sum_rows_shared& shared = gpu::shared<sum_rows_shared>();
  const int thread = static_cast<int>(threadIdx.x);
  float sum = sum_of_thread<planted>(p, shared);
  if (planted == fault::lanes_exit_before_shuffle && thread % 32 >= 24) return;
  for (int mask = 16; mask > 0; mask /= 2) sum += SHUFFLE_XOR(sum, mask);
  if (thread % 32 == 0) shared.warp_sums[thread / 32] = sum;
  BLOCK_BARRIER();
  if (thread != 0) return;
  p.sums[blockIdx.x] = shared.warp_sums[0] + shared.warp_sums[1];
  if (planted == fault::blocks_write_one_address || blockIdx.x == 0) *p.done = 1;
}

template <class T>
T* exact_array(size_t count) {
  void* memory = nullptr;
  if (posix_memalign(&memory, 16, count * sizeof(T)) != 0) std::abort();
  std::memset(memory, 0xff, count * sizeof(T));
  return static_cast<T*>(memory);
}

// Whole numbers: every order of adding gives the same sum.
template <fault planted>
int run_with() {
  const sum_rows_params p{exact_array<float>(rows * columns), exact_array<float>(rows), exact_array<int>(1)};
  for (int k = 0; k < rows * columns; k++) const_cast<float*>(p.in)[k] = static_cast<float>(k % 13 + k / columns);
  launch_kernel<sum_rows<planted>>({{rows, 1, 1}, {block_threads, 1, 1}, sizeof(sum_rows_shared)}, p,
                                   schedule_of_environment());
  int wrong = *p.done != 1;
  for (int row = 0; row < rows; row++) {
    float expected = 0;
    for (int c = 0; c < columns; c++) expected += p.in[row * columns + c];
    wrong += !(p.sums[row] == expected);
  }
  std::free(const_cast<float*>(p.in));
  std::free(p.sums);
  std::free(p.done);
  return wrong == 0 ? 0 : 1;
}

int run_named(const char* name) {
#define COSFACE_RUN_FAULT(planted) \
  if (std::strcmp(name, #planted) == 0) return run_with<fault::planted>();
  COSFACE_RUN_FAULT(none)
  COSFACE_RUN_FAULT(no_barrier_before_reuse)
  COSFACE_RUN_FAULT(no_barrier_after_wait)
  COSFACE_RUN_FAULT(wait_too_lax)
  COSFACE_RUN_FAULT(no_bound)
  COSFACE_RUN_FAULT(warp_skips_barrier)
  COSFACE_RUN_FAULT(lanes_exit_before_shuffle)
  COSFACE_RUN_FAULT(copy_left_at_exit)
  COSFACE_RUN_FAULT(blocks_write_one_address)
#undef COSFACE_RUN_FAULT
  std::fprintf(stderr, "there is no fault '%s'\n", name);
  return 2;
}

}  // namespace
}  // namespace cosface::cuda::emulator::test

int main(int count, char** arguments) {
  return count == 2 ? cosface::cuda::emulator::test::run_named(arguments[1]) : 2;
}
