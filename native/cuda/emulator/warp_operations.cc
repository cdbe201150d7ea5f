#include "cuda/emulator/warp_operations.h"

#include <cstring>

#include "cuda/emulator/fragments.h"

namespace cosface::cuda::emulator {
namespace {

struct product {
  float a[16][16], b[16][8], d[16][8];
};

void gather(warp_exchange lanes, float (*value_of)(uint16_t), product& p) {
  for (int lane = 0; lane < warp_lanes; lane++) {
    uint16_t halves[12];
    float sums[4];
    memcpy(halves, lanes[lane]->in, sizeof(halves));
    memcpy(sums, lanes[lane]->in + sizeof(halves), sizeof(sums));
    for (int h = 0; h < 8; h++) {
      const place at = a_element(lane, h);
      p.a[at.row][at.column] = value_of(halves[h]);
    }
    for (int h = 0; h < 4; h++) {
      const place at = b_element(lane, h);
      p.b[at.row][at.column] = value_of(halves[8 + h]);
    }
    for (int v = 0; v < 4; v++) {
      const place at = sum_element(lane, v);
      p.d[at.row][at.column] = sums[v];
    }
  }
}

void multiply(product& p) {
  for (int row = 0; row < 16; row++) {
    float sums[8] = {};
    for (int k = 0; k < 16; k++)
      for (int column = 0; column < 8; column++) sums[column] += p.a[row][k] * p.b[k][column];
    for (int column = 0; column < 8; column++) p.d[row][column] += sums[column];
  }
}

}  // namespace

void multiply_matrices(warp_exchange lanes, float (*value_of)(uint16_t)) {
  product p;
  gather(lanes, value_of, p);
  multiply(p);
  for (int lane = 0; lane < warp_lanes; lane++) {
    float sums[4];
    for (int v = 0; v < 4; v++) {
      const place at = sum_element(lane, v);
      sums[v] = p.d[at.row][at.column];
    }
    memcpy(lanes[lane]->out, sums, sizeof(sums));
  }
}

void move_matrices(warp_exchange lanes, bool transposed) {
  for (int lane = 0; lane < warp_lanes; lane++)
    for (int matrix = 0; matrix < 4; matrix++)
      for (int half = 0; half < 2; half++) {
        const matrix_source from =
            transposed ? transposed_matrix_element(lane, matrix, half) : matrix_element(lane, matrix, half);
        memcpy(lanes[lane]->out + matrix * 4 + half * 2, lanes[from.lane]->in + from.column * 2, 2);
      }
}

}  // namespace cosface::cuda::emulator
