// The one entry that libFuzzer calls; each target has its own fuzz().
#include "fuzz_input.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  FuzzedDataProvider input(bytes, size);
  cosface::test::fuzz(input);
  return 0;
}
