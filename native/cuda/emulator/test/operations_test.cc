// What each operation of gpu.h does under the emulator, in every schedule, and what each broken rule says.
#include <gtest/gtest.h>

#include <cmath>
#include <numeric>

#include "cuda/emulator/fragments.h"
#include "cuda/emulator/half_formats.h"
#include "launch_kernel.h"

namespace cosface::cuda::emulator::test {
namespace {

// ---- Warps and blocks

struct exchange_params {
  int* out;
};

void exchange(exchange_params p) {
  const int thread = static_cast<int>(threadIdx.x), lane = thread % 32;
  int* own = p.out + thread * 5;
  own[0] = SHUFFLE_XOR(thread, 5);
  own[1] = SHUFFLE_DOWN(thread, 3);
  own[2] = static_cast<int>(SHUFFLE_XOR(thread + 0.5, 1) * 2);
  own[3] = static_cast<int>(BALLOT(lane % 3 == 0));
  own[4] = BLOCK_ANY(thread == 40);
  if (BLOCK_ANY(false)) own[4] = 2;
}

TEST(emulator_operations, warps_exchange_values) {
  for (const schedule& s : all_schedules) {
    std::vector<int> out(64 * 5, -1);
    launch_kernel<exchange>(threads(64), exchange_params{out.data()}, s);
    unsigned thirds = 0;
    for (int lane = 0; lane < 32; lane += 3) thirds |= 1u << lane;
    for (int thread = 0; thread < 64; thread++) {
      const int *own = out.data() + thread * 5, lane = thread % 32;
      EXPECT_EQ(own[0], thread ^ 5);
      EXPECT_EQ(own[1], lane + 3 < 32 ? thread + 3 : thread);
      EXPECT_EQ(own[2], 2 * (thread ^ 1) + 1);
      EXPECT_EQ(static_cast<unsigned>(own[3]), thirds);
      EXPECT_EQ(own[4], 1);
    }
  }
}

struct index_params {
  unsigned* out;
};

void write_index(index_params p) {
  const unsigned block = blockIdx.x + gridDim.x * (blockIdx.y + gridDim.y * blockIdx.z);
  const unsigned thread = threadIdx.x + blockDim.x * (threadIdx.y + blockDim.y * threadIdx.z);
  p.out[block * 30 + thread] = block * 1000 + thread;
  atomicAdd(p.out + 24 * 30, 1);
  atomicMax(p.out + 24 * 30 + 1, thread);
  atomicMin(p.out + 24 * 30 + 2, block + 7);
}

TEST(emulator_operations, every_thread_of_every_block_runs_once) {
  for (const schedule& s : all_schedules) {
    std::vector<unsigned> out(24 * 30 + 3, 0);
    out.back() = 1000;
    launch_kernel<write_index>({{2, 3, 4}, {5, 3, 2}}, index_params{out.data()}, s);
    for (unsigned block = 0; block < 24; block++)
      for (unsigned thread = 0; thread < 30; thread++) EXPECT_EQ(out[block * 30 + thread], block * 1000 + thread);
    EXPECT_EQ(out[24 * 30], 24u * 30);
    EXPECT_EQ(out[24 * 30 + 1], 29u);
    EXPECT_EQ(out[24 * 30 + 2], 7u);
  }
}

// ---- Matrices

struct product_params {
  const uint16_t *a, *b;  // [16, 16], [16, 8]
  float* d;               // [16, 8]
  bool bf16;
};

void multiply(product_params p) {
  const int lane = static_cast<int>(threadIdx.x);
  uint16_t a[8], b[4];
  for (int h = 0; h < 8; h++) a[h] = p.a[a_element(lane, h).row * 16 + a_element(lane, h).column];
  for (int h = 0; h < 4; h++) b[h] = p.b[b_element(lane, h).row * 8 + b_element(lane, h).column];
  uint32_t a_registers[4], b_registers[2];
  memcpy(a_registers, a, sizeof a);
  memcpy(b_registers, b, sizeof b);
  float d[4] = {1, 2, 3, 4};
  if (p.bf16)
    MULTIPLY_BF16(d, a_registers, b_registers[0], b_registers[1]);
  else
    MULTIPLY_HALF(d, a_registers, b_registers[0], b_registers[1]);
  for (int v = 0; v < 4; v++) p.d[sum_element(lane, v).row * 8 + sum_element(lane, v).column] = d[v] - (1 + v);
}

// Whole numbers, so that the order of sums cannot show.
TEST(emulator_operations, matrix_products) {
  for (const bool bf16 : {false, true})
    for (const schedule& s : all_schedules) {
      std::vector<uint16_t> a(256), b(128);
      std::vector<float> a_values(256), b_values(128), d(128, NAN);
      for (int k = 0; k < 256; k++) a_values[k] = static_cast<float>(k * 7 % 31 - 15);
      for (int k = 0; k < 128; k++) b_values[k] = static_cast<float>(k * 5 % 23 - 11);
      for (int k = 0; k < 256; k++) a[k] = bf16 ? bf16_of_float(a_values[k]) : half_of_float(a_values[k]);
      for (int k = 0; k < 128; k++) b[k] = bf16 ? bf16_of_float(b_values[k]) : half_of_float(b_values[k]);
      launch_kernel<multiply>(threads(32), product_params{a.data(), b.data(), d.data(), bf16}, s);
      for (int row = 0; row < 16; row++)
        for (int column = 0; column < 8; column++) {
          float expected = 0;
          for (int k = 0; k < 16; k++) expected += a_values[row * 16 + k] * b_values[k * 8 + column];
          EXPECT_EQ(d[row * 8 + column], expected) << row << ", " << column;
        }
    }
}

struct matrices_params {
  uint16_t* out;  // [32][4][2], then the same of .trans
};

// Matrix m holds 100 m + 10 row + column.
void load_matrices(matrices_params p) {
  uint16_t* tile = &gpu::shared<uint16_t>();
  const int lane = static_cast<int>(threadIdx.x);
  for (int column = 0; column < 8; column++)
    tile[lane * 8 + column] = static_cast<uint16_t>(lane / 8 * 100 + lane % 8 * 10 + column);
  WARP_BARRIER();
  uint32_t r[4];
  LOAD_MATRICES(r, tile + lane * 8);
  memcpy(p.out + lane * 8, r, sizeof r);
  LOAD_MATRICES_TRANSPOSED(r, tile + lane * 8);
  memcpy(p.out + 256 + lane * 8, r, sizeof r);
}

TEST(emulator_operations, matrices_from_shared_memory) {
  for (const schedule& s : all_schedules) {
    std::vector<uint16_t> out(512);
    launch_kernel<load_matrices>(threads(32, 512), matrices_params{out.data()}, s);
    for (int lane = 0; lane < 32; lane++)
      for (int m = 0; m < 4; m++)
        for (int h = 0; h < 2; h++) {
          const int row = lane / 4, column = lane % 4 * 2 + h;
          EXPECT_EQ(out[lane * 8 + m * 2 + h], m * 100 + row * 10 + column);
          EXPECT_EQ(out[256 + lane * 8 + m * 2 + h], m * 100 + column * 10 + row);
        }
  }
}

// ---- Asynchronous copies and poison

struct copy_params {
  const float* in;
  float *before, *after;
};

void copy_asynchronously(copy_params p) {
  float* tile = &gpu::shared<float>();
  const int thread = static_cast<int>(threadIdx.x);
  p.before[thread] = tile[thread * 4];
  gpu::copy_async_16_or_zeros(tile + thread * 4, p.in + thread * 4, thread != 3);
  gpu::commit_copies();
  gpu::wait_for_copies<1>();
  p.before[32 + thread] = tile[thread * 4];
  gpu::wait_for_copies<0>();
  p.after[thread] = tile[thread * 4 + 1];
}

TEST(emulator_operations, copies_are_poison_until_waited_for) {
  std::vector<float> in(128);
  std::iota(in.begin(), in.end(), 1.0f);
  for (const schedule& s : all_schedules) {
    std::vector<float> before(64), after(32);
    launch_kernel<copy_asynchronously>(threads(32, 512), copy_params{in.data(), before.data(), after.data()}, s);
    int early = 0;
    for (int thread = 0; thread < 32; thread++) {
      EXPECT_TRUE(std::isnan(before[thread]));
      early += !std::isnan(before[32 + thread]);
      EXPECT_EQ(after[thread], thread == 3 ? 0 : in[thread * 4 + 1]);
    }
    if (s.threads == order::random)
      EXPECT_TRUE(early > 4 && early < 28) << early;
    else
      EXPECT_EQ(early, 0);
  }
}

// ---- Formats

TEST(emulator_operations, halves_and_back) {
  for (uint32_t bits = 0; bits < 0x10000; bits++) {
    const auto half = static_cast<uint16_t>(bits);
    const float value = float_of_half(half);
    if (std::isnan(value)) {
      EXPECT_EQ(bits & 0x7c00, 0x7c00u);
      EXPECT_EQ(half_of_float(value), 0x7fff);
      continue;
    }
    const int exponent = half >> 10 & 31;
    const double magnitude = exponent == 31  ? INFINITY
                             : exponent == 0 ? std::ldexp(half & 1023, -24)
                                             : std::ldexp(1024 + (half & 1023), exponent - 25);
    ASSERT_EQ(value, half & 0x8000 ? -magnitude : magnitude) << bits;
    ASSERT_EQ(half_of_float(value), half);
  }
}

TEST(emulator_operations, halves_are_rounded_to_nearest_even) {
  for (uint16_t half = 0; half < 0x7bff; half++) {
    const float low = float_of_half(half), high = float_of_half(static_cast<uint16_t>(half + 1));
    const float middle = (low + high) / 2;  // exact: one more bit
    const auto next = static_cast<uint16_t>(half + 1);
    ASSERT_EQ(half_of_float(middle), half % 2 == 0 ? half : next);
    ASSERT_EQ(half_of_float(std::nextafter(middle, 0.0f)), half);
    ASSERT_EQ(half_of_float(std::nextafter(middle, INFINITY)), next);
  }
  EXPECT_EQ(half_of_float(65519.996f), 0x7bff);
  EXPECT_EQ(half_of_float(-65520.0f), 0xfc00);
  EXPECT_EQ(bf16_of_float(1 + 0x1p-8f), 0x3f80);
  EXPECT_EQ(bf16_of_float(1 + 0x1.8p-7f), 0x3f82);
  EXPECT_EQ(bf16_of_float(NAN), 0x7fff);
}

TEST(emulator_operations, exponentials_flush_subnormal_results) {
  EXPECT_EQ(gpu::exp2_approximate(3), 8);
  EXPECT_EQ(gpu::exp2_approximate(-126), 0x1p-126f);
  EXPECT_EQ(gpu::exp2_approximate(-126.5f), 0);
  EXPECT_EQ(gpu::exp2_approximate(-INFINITY), 0);
}

// ---- Broken rules. Each ends the process. ThreadSanitizer would take a minute, and has no part in it.

#if !defined(COSFACE_SANITIZE_thread)

struct nothing {};

void barriers_at_two_places(nothing) {
  if (threadIdx.x == 5)
    BLOCK_BARRIER();
  else
    BLOCK_BARRIER();
}
void one_leaves_before_the_barrier(nothing) {
  if (threadIdx.x == 5) return;
  BLOCK_BARRIER();
}
void one_at_a_warp_operation_others_at_a_barrier(nothing) {
  if (threadIdx.x == 5)
    WARP_BARRIER();
  else
    BLOCK_BARRIER();
}
void two_warp_operations(nothing) {
  if (threadIdx.x < 16)
    SHUFFLE_XOR(1, 1);
  else
    BALLOT(true);
}
void one_has_exited(nothing) {
  if (threadIdx.x == 9) return;
  SHUFFLE_XOR(1, 1);
}
void reads_a_lane_that_is_not_there(nothing) { SHUFFLE_XOR(1, 32); }
void misaligned_copy(nothing) {
  static float source[8];
  gpu::copy_async_16(&gpu::shared<char>() + 16 * threadIdx.x + 8, source);
}
void copy_into_global_memory(nothing) {
  alignas(16) static float source[8], destination[8];
  gpu::copy_async_16(destination, source);
}
void misaligned_row(nothing) {
  uint32_t r[4];
  LOAD_MATRICES(r, &gpu::shared<char>() + 8);
}
void misaligned_load(nothing) {
  float v[4];
  gpu::load_4(v, reinterpret_cast<float*>(&gpu::shared<char>() + 4));
}
void copy_left_at_the_end(nothing) {
  alignas(16) static float source[4];
  gpu::copy_async_16(&gpu::shared<char>() + 16 * threadIdx.x, source);
  gpu::commit_copies();
}
struct large {
  char bytes[4096];
};
void too_much_shared_memory(nothing) { gpu::shared<large>().bytes[0] = 1; }

template <auto kernel>
void expect_broken_rule(unsigned thread_count, const char* words) {
  for (const schedule& s : all_schedules)
    EXPECT_EXIT(launch_kernel<kernel>(threads(thread_count, 1024), nothing{}, s),
                testing::ExitedWithCode(exit_status_of_broken_rule), words);
}

TEST(emulator_rules, block_barriers) {
  expect_broken_rule<barriers_at_two_places>(64, "divergent block barrier");
  expect_broken_rule<one_leaves_before_the_barrier>(64, "block barrier at .* after 1 threads have exited|deadlock");
  expect_broken_rule<one_at_a_warp_operation_others_at_a_barrier>(64, "deadlock");
}

TEST(emulator_rules, warp_operations) {
  expect_broken_rule<two_warp_operations>(32, "divergent warp operation");
  expect_broken_rule<one_has_exited>(32, "lane 9 takes part and has exited|deadlock");
  expect_broken_rule<one_has_exited>(33, "takes part");
  expect_broken_rule<reads_a_lane_that_is_not_there>(32, "reads lane 32, which does not take part");
}

TEST(emulator_rules, memory) {
  expect_broken_rule<misaligned_copy>(32, "expected multiples of 16");
  expect_broken_rule<copy_into_global_memory>(32, "the destination is not in shared memory");
  expect_broken_rule<misaligned_row>(32, "load_matrices: row = .* expected a multiple of 16");
  expect_broken_rule<misaligned_load>(32, "load_4: from = .* expected a multiple of 16");
  expect_broken_rule<copy_left_at_the_end>(32, "1 asynchronous copies that nobody waited for");
  expect_broken_rule<too_much_shared_memory>(32, "4096 bytes of shared memory are used, the launch asked for 1024");
  expect_broken_rule<two_warp_operations>(1025, "a block of 1025");
}

#endif

}  // namespace
}  // namespace cosface::cuda::emulator::test
