#include "cuda/image.h"

// image.cmake defines these for this file alone.
#ifdef COSFACE_CUDA_IMAGE
__asm__(
    ".pushsection .rodata\n"
    ".balign 16\n"
    ".type cosface_cuda_image, @object\n"
    ".hidden cosface_cuda_image\n"
    ".globl cosface_cuda_image\n"
    "cosface_cuda_image:\n"
    ".incbin \"" COSFACE_CUDA_IMAGE
    "\"\n"
    ".size cosface_cuda_image, . - cosface_cuda_image\n"
    ".popsection\n");
extern "C" const unsigned char cosface_cuda_image[];
#else
#define COSFACE_CUDA_IMAGE_ARCHITECTURES ""
#define COSFACE_CUDA_IMAGE_TOOLKIT 0
static const unsigned char cosface_cuda_image[16] = {};
#endif

namespace cosface::cuda {

device_image embedded_image() {
  constexpr int toolkit = COSFACE_CUDA_IMAGE_TOOLKIT;
  return {cosface_cuda_image, toolkit != 0, COSFACE_CUDA_IMAGE_ARCHITECTURES, toolkit, toolkit / 1000 * 1000, toolkit};
}

}  // namespace cosface::cuda
