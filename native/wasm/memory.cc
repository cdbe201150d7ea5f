// The module's memory is one stretch behind its own data: the arrays of a call, which JavaScript lays out, and above
// them the workspace of the call. It grows and never shrinks, as WebAssembly has it; nothing needs a heap.
#include "wasm/memory.h"

#include <cstddef>

#include "cpu/workspace.h"

extern "C" unsigned char __heap_base;  // where the linker ends the module's data and stack

namespace cosface {
namespace {

constexpr uint64_t page = 64 << 10, cache_line = 64;

uint64_t arena_end = 0;

uint64_t rounded_up(uint64_t bytes, uint64_t unit) { return (bytes + unit - 1) / unit * unit; }

uint64_t arena_begin() { return rounded_up(reinterpret_cast<uintptr_t>(&__heap_base), cache_line); }

bool grow_to(uint64_t end) {
  const uint64_t pages = rounded_up(end, page) / page, now = __builtin_wasm_memory_size(0);
  if (pages <= now) return true;
  return pages <= 65536 && __builtin_wasm_memory_grow(0, pages - now) != static_cast<size_t>(-1);
}

}  // namespace

uint32_t reserve_arena(double bytes) {
  const uint64_t end = rounded_up(arena_begin() + static_cast<uint64_t>(bytes), cache_line);
  if (!grow_to(end)) return 0;
  arena_end = end;
  return static_cast<uint32_t>(arena_begin());
}

workspace::workspace(size_t bytes) : data_(nullptr), bytes_(bytes) {
  if (grow_to(arena_end + bytes)) data_ = reinterpret_cast<void*>(static_cast<uintptr_t>(arena_end));
}

workspace::~workspace() = default;

}  // namespace cosface
