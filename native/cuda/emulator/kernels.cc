#include "cuda/emulator/kernels.h"

#include "cuda/kernel_list.h"
// The very sources that nvcc compiles.
#include "cuda/kernels/kernels.cu"

namespace cosface::cuda::emulator {
namespace {

// Every thread has its own copy of the parameters, as on a device.
#define COSFACE_EMULATED_KERNEL(name, params)                                               \
  {"cosface_" #name, sizeof(params),                                                        \
   [](const void* parameters) { cosface_##name(*static_cast<const params*>(parameters)); }, \
   [](void* parameters) { __builtin_clear_padding(static_cast<params*>(parameters)); }},
constexpr emulated_kernel all_kernels[] = {COSFACE_CUDA_KERNELS(COSFACE_EMULATED_KERNEL)};
#undef COSFACE_EMULATED_KERNEL

}  // namespace

const emulated_kernel* find_kernel(std::string_view symbol) {
  for (const emulated_kernel& kernel : all_kernels)
    if (symbol == kernel.symbol) return &kernel;
  return nullptr;
}

}  // namespace cosface::cuda::emulator
