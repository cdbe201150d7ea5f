// CUDA's execution model on the CPU: a fibre per thread, one block at a time (README.md).
//
// Kernels see this through gpu_on_host.h only. One launch at a time in a process: the caller sees to that.
#pragma once

#include <cstddef>
#include <cstdint>

namespace cosface::cuda::emulator {

struct index_3 {
  unsigned x = 1, y = 1, z = 1;
};

struct launch {
  const char* name;
  index_3 grid, block;
  size_t shared_bytes;
  void (*body)(const void* parameters);  // one thread
  const void* parameters;
};

// Which thread goes on where several could.
enum class order {
  forward,
  reverse,
  random,
};

struct schedule {
  order threads = order::random;
  uint64_t seed = 1;
};

// COSFACE_EMULATOR_SCHEDULE: forward, reverse, random or random:SEED. Random where it is unset.
schedule schedule_of_environment();

// Runs all blocks. A kernel that breaks a rule ends the process: the rule on stderr, exit status 42.
void run(const launch& launch, const schedule& schedule);
inline constexpr int exit_status_of_broken_rule = 42;

struct work_done {
  uint64_t blocks, switches, matrix_products;
};
work_done work_so_far();

// ---- What the running thread asks for. `where` is file and line.

struct thread_state {
  index_3 thread, block;
  unsigned linear;  // in the block
};
extern thread_state* running;
extern index_3 grid_size, block_size;
extern unsigned char* shared_memory;
extern size_t shared_bytes;

[[noreturn, gnu::format(printf, 1, 2)]] void broken_rule(const char* format, ...);

// Returns whether `condition` held for any thread of the block.
bool block_barrier(bool condition, const char* where);

enum class warp_operation {
  barrier,
  shuffle,        // in: up to 8 bytes, argument: the lane to read
  ballot,         // argument: the condition; out: 4 bytes
  multiply_half,  // in: a, b, d (40 bytes); out: d
  multiply_bf16,
  load_matrices,  // in: the lane's row (16 bytes); out: 4 registers
  load_matrices_transposed,
};
inline constexpr unsigned whole_warp = 0xffffffff;

// Waits until all lanes of `mask` are here; returns the lane's output, which the next operation overwrites.
const void* warp_collective(warp_operation operation, unsigned mask, const void* in, int in_bytes, int argument,
                            const char* where);

// `from` null: zeros.
void copy_async(void* to, const void* from, const char* where);
void commit_copies();
void wait_for_copies(int groups);

}  // namespace cosface::cuda::emulator
