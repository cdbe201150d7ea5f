// Which lane holds which element: mma.m16n8k16 and ldmatrix.x4.
//
// Source: PTX ISA, "Matrix fragments for mma.m16n8k16 with floating point type" and "ldmatrix". The emulator moves
// elements by these functions, and test/fragments_test.cc holds them against CuTe's traits: the kernels and the
// emulator were written from one reading of the manual and would be wrong together.
#pragma once

namespace cosface::cuda::emulator {

struct place {
  int row, column;
};

// A [16, 16]: halves 0 .. 7 of a lane, two in each of its four registers.
constexpr place a_element(int lane, int half) {
  return {lane / 4 + half / 2 % 2 * 8, lane % 4 * 2 + half / 4 * 8 + half % 2};
}

// B [16, 8] (k, n): halves 0 .. 3 of a lane.
constexpr place b_element(int lane, int half) { return {lane % 4 * 2 + half / 2 * 8 + half % 2, lane / 4}; }

// The sums [16, 8]: floats 0 .. 3 of a lane.
constexpr place sum_element(int lane, int value) { return {lane / 4 + value / 2 * 8, lane % 4 * 2 + value % 2}; }

// Where half `half` of register `matrix` comes from: the lane that names the row, and the column in that row.
struct matrix_source {
  int lane, column;
};
constexpr matrix_source matrix_element(int lane, int matrix, int half) {
  return {matrix * 8 + lane / 4, lane % 4 * 2 + half};
}
constexpr matrix_source transposed_matrix_element(int lane, int matrix, int half) {
  return {matrix * 8 + lane % 4 * 2 + half, lane / 4};
}

}  // namespace cosface::cuda::emulator
