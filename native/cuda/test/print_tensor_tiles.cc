// Prints what a launch of each tensor-core kernel asks for: name, threads, bytes of shared memory. The check of
// compiled kernels holds budgets.json to it.
#include <cstdio>
#include <initializer_list>

#include "cuda/tensor_tiles.h"

int main() {
#define COSFACE_PRINT(dim, rows, columns)                                                            \
  for (const char* pass : {"pass_1", "pass_2"})                                                      \
    std::printf("%s_" #dim "_" #rows "x" #columns " %d %lld\n", pass, cosface::cuda::tensor_threads, \
                static_cast<long long>(cosface::cuda::tensor_shared_bytes(dim, rows, columns)));
  COSFACE_TENSOR_TILES(COSFACE_PRINT)
#undef COSFACE_PRINT
}
