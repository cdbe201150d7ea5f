#include "cpu/isa.h"

#include <cstdlib>
#include <cstring>
#include <string>

#include "cpu/check.h"

#if defined(__x86_64__) || defined(_M_X64)
#define COSFACE_X86 1
#if defined(_MSC_VER)
#include <immintrin.h>
#include <intrin.h>
#else
#include <cpuid.h>
#endif
#endif

namespace cosface {
namespace {

#if COSFACE_X86
struct registers {
  unsigned eax, ebx, ecx, edx;
};

// Own cpuid: __builtin_cpu_supports answers 0 under some toolchains (zig) and MSVC has none.
registers cpuid(unsigned leaf, unsigned subleaf = 0) {
  registers r{};
#if defined(_MSC_VER)
  int out[4];
  __cpuidex(out, static_cast<int>(leaf), static_cast<int>(subleaf));
  std::memcpy(&r, out, sizeof r);
#else
  __cpuid_count(leaf, subleaf, r.eax, r.ebx, r.ecx, r.edx);
#endif
  return r;
}

// The register state that the operating system saves: bit 1 SSE, bit 2 AVX, bits 5 to 7 AVX-512.
unsigned enabled_state() {
#if defined(_MSC_VER)
  return static_cast<unsigned>(_xgetbv(0));
#else
  unsigned low, high;
  __asm__("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return low;
#endif
}

struct x86_features {
  bool avx2, avx512, avx512_bf16;
};

x86_features detect_features() {
  if (cpuid(0).eax < 7) return {};
  constexpr unsigned fma = 1u << 12, osxsave = 1u << 27, avx = 1u << 28;
  const unsigned features = cpuid(1).ecx;
  if ((features & (fma | osxsave | avx)) != (fma | osxsave | avx)) return {};
  constexpr unsigned avx_state = 0x06, avx512_state = 0xe6;  // with the mask and the upper registers
  const unsigned state = enabled_state();
  const registers extended = cpuid(7);
  x86_features f{};
  f.avx2 = (state & avx_state) == avx_state && (extended.ebx & 1u << 5) != 0;
  f.avx512 = f.avx2 && (state & avx512_state) == avx512_state && (extended.ebx & 1u << 16) != 0;
  f.avx512_bf16 = f.avx512 && extended.eax >= 1 && (cpuid(7, 1).eax & 1u << 5) != 0;
  return f;
}

// Asked once: under a hypervisor every cpuid leaves the guest, 30 us each where this was measured.
const x86_features& features() {
  static const x86_features answer = detect_features();
  return answer;
}
bool has_avx2() { return features().avx2; }
bool has_avx512() { return features().avx512; }
bool has_avx512_bf16() { return features().avx512_bf16; }
#endif

bool always() { return true; }

struct isa_entry {
  const char* name;
  const cpu_kernels* kernels;
  bool (*supported)();
};

// From least to best. A new instruction set is one more row and one more file in kernels/.
const isa_entry isa_table[] = {
    {"scalar", &scalar_kernels, always},
#if COSFACE_X86
    {"avx2", &avx2_kernels, has_avx2},
    {"avx512", &avx512_kernels, has_avx512},
    {"avx512_bf16", &avx512_bf16_kernels, has_avx512_bf16},
#elif defined(__aarch64__) || defined(_M_ARM64)
    {"neon", &neon_kernels, always},  // part of the base architecture
#endif
};

const isa_entry* find(cosface_isa isa) {
  for (const isa_entry& entry : isa_table)
    if (entry.kernels->isa == isa) return &entry;
  return nullptr;
}

}  // namespace

const cpu_kernels* kernels_for(cosface_isa requested, cosface_error* error) {
  if (requested == COSFACE_ISA_AUTO) {
    const cosface_status status = cosface_best_isa(&requested, error);
    if (status != COSFACE_OK) return nullptr;
  }
  const isa_entry* entry = find(requested);
  if (entry != nullptr && entry->supported()) return entry->kernels;
  const char* name = cosface_isa_name(requested);
  fill_error(error, COSFACE_ERROR_UNSUPPORTED, "isa", -1,
             "isa is '%s', which this processor or build cannot run. Leave it 'auto'.", name ? name : "unknown");
  return nullptr;
}

}  // namespace cosface

extern "C" {

const char* cosface_isa_name(cosface_isa isa) {
  switch (isa) {
    case COSFACE_ISA_AUTO: return "auto";
    case COSFACE_ISA_SCALAR: return "scalar";
    case COSFACE_ISA_AVX2: return "avx2";
    case COSFACE_ISA_AVX512: return "avx512";
    case COSFACE_ISA_AVX512_BF16: return "avx512_bf16";
    case COSFACE_ISA_NEON: return "neon";
    case COSFACE_ISA_WASM_SIMD: return "wasm_simd";
  }
  return nullptr;
}

int cosface_isa_supported(cosface_isa isa) {
  const cosface::isa_entry* entry = cosface::find(isa);
  return entry != nullptr && entry->supported();
}

cosface_status cosface_best_isa(cosface_isa* isa, cosface_error* error) {
  const char* cap = std::getenv("COSFACE_ISA");
  const bool capped = cap != nullptr && *cap != '\0' && std::strcmp(cap, "auto") != 0;
  cosface_isa best = COSFACE_ISA_SCALAR;
  bool cap_found = !capped;
  for (const cosface::isa_entry& entry : cosface::isa_table) {
    if (entry.supported()) best = entry.kernels->isa;
    if (capped && std::strcmp(cap, entry.name) == 0) {
      cap_found = true;
      break;
    }
  }
  if (!cap_found) {
    std::string names;
    for (const cosface::isa_entry& entry : cosface::isa_table)
      names += (names.empty() ? "" : ", ") + std::string(entry.name);
    return cosface::fill_error(error, COSFACE_ERROR_ENVIRONMENT, "COSFACE_ISA", -1,
                               "the environment variable COSFACE_ISA is '%.40s', expected auto or one that this "
                               "build has: %s. Unset it to use the best.",
                               cap, names.c_str());
  }
  *isa = best;
  return COSFACE_OK;
}

}  // extern "C"
