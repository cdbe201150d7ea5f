// One instruction set, and no environment variables: in the place of cpu/isa.cc and cpu/environment.cc.
#include "cpu/isa.h"

#include "cpu/environment.h"

namespace cosface {

const cpu_kernels* kernels_for(cosface_isa, cosface_error*) { return &wasm_simd_kernels; }

cosface_status read_environment(cosface_isa, int32_t, call_environment& environment, cosface_error*) {
  environment = {.isa = COSFACE_ISA_WASM_SIMD, .threads = 1, .print = 0};
  return COSFACE_OK;
}

}  // namespace cosface
