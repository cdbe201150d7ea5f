// Counts what goes through operator new in this binary, the library's workspace included, and can
// make large requests fail. Works under AddressSanitizer, which watches the malloc beneath.
#pragma once

#include <cstdint>

namespace cosface::test {

struct allocation_count {
  int64_t live_bytes;     // allocated and not yet freed
  int64_t peak_bytes;     // the most that live_bytes has been since reset_peak
  int64_t largest_bytes;  // the largest single request since reset_peak, as requested
};

allocation_count allocations();
void reset_peak();

// Requests above `bytes` fail until the guard goes out of scope.
class allocation_limit {
 public:
  explicit allocation_limit(int64_t bytes);
  ~allocation_limit();
  allocation_limit(const allocation_limit&) = delete;
  allocation_limit& operator=(const allocation_limit&) = delete;
};

}  // namespace cosface::test
