#pragma once

#include <cstdint>

namespace cosface {

// Makes room for the arrays of one call, in place of those of the call before. Returns where they begin, 64-byte
// aligned, or 0 where memory ran out.
uint32_t reserve_arena(double bytes);

}  // namespace cosface
