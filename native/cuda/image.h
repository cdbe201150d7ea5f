// The device code that this library carries, and what it asks of a driver.
//
// A fatbin: one ELF image per architecture, which a driver loads as it is, and one PTX, which it compiles for a GPU
// that is newer than all of them. image.cmake has it made and says of what.
#pragma once

namespace cosface::cuda {

struct device_image {
  const void* data;           // what cuModuleLoadData takes; a few zero bytes where this build carries none
  bool is_present;            // false in tests, whose driver is emulated and runs the kernels' sources
  const char* architectures;  // for people: "sm_80 sm_90 sm_100 sm_120, PTX of compute_90"
  int toolkit;                // that compiled it, counted like cuDriverGetVersion: 1000 major + 10 minor
  // The least cuDriverGetVersion. NVIDIA promises that images made by any toolkit of a major version run under every
  // driver of that major version and later ("minor version compatibility", CUDA Compatibility guide).
  int minimum_driver;
  // PTX is compiled by the driver, which must know its version: no older than the toolkit itself.
  int minimum_ptx_driver;
};

device_image embedded_image();

}  // namespace cosface::cuda
