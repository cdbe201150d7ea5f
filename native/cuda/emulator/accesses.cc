#include "cuda/emulator/accesses.h"

namespace cosface::cuda::emulator {

// volatile: the accesses are the point, and a call to memcpy would be seen at another place.
void read_as_thread(const void* from, size_t bytes) {
  const volatile unsigned char* at = static_cast<const volatile unsigned char*>(from);
  for (size_t k = 0; k < bytes; k++) (void)at[k];
}

void fill_as_thread(void* to, unsigned char value, size_t bytes) {
  volatile unsigned char* at = static_cast<volatile unsigned char*>(to);
  for (size_t k = 0; k < bytes; k++) at[k] = value;
}

void copy_as_thread(void* to, const void* from, size_t bytes) {
  volatile unsigned char* at = static_cast<volatile unsigned char*>(to);
  const volatile unsigned char* source = static_cast<const volatile unsigned char*>(from);
  for (size_t k = 0; k < bytes; k++) at[k] = source[k];
}

}  // namespace cosface::cuda::emulator
