// The part of the CUDA driver API that the library needs, found at run time.
//
// Nothing links libcuda or cudart: without a driver the library loads all the same and says why it cannot run, and
// beside another CUDA program in the process (TensorFlow) it shares the one driver that is there. No cuda.h is needed
// to build either. Declarations follow cuda.h, unchanged from 12.0 to 13.0; _v2 and so on are the names that its macros
// stand for. CUresult is an enum there and an int here, CUdeviceptr an integer of 64 bits.
//
// native/cuda/emulator/driver.cc defines the same functions over the kernels' own sources, for machines without a GPU.
#pragma once

#include <cstddef>
#include <string>

extern "C" {
typedef struct CUctx_st* CUcontext;
typedef struct CUevent_st* CUevent;
typedef struct CUfunc_st* CUfunction;
typedef struct CUmod_st* CUmodule;
typedef struct CUstream_st* CUstream;
}

namespace cosface::cuda {

using device_number = int;
using device_address = unsigned long long;

// CUresult, as far as it is told apart here.
inline constexpr int result_ok = 0;
inline constexpr int result_invalid_value = 1;
inline constexpr int result_out_of_memory = 2;
inline constexpr int result_not_initialized = 3;
inline constexpr int result_deinitialized = 4;  // the process is leaving
inline constexpr int result_stub_library = 34;
inline constexpr int result_device_unavailable = 46;  // in use by another process, exclusively
inline constexpr int result_no_device = 100;
inline constexpr int result_invalid_device = 101;
inline constexpr int result_invalid_image = 200;
inline constexpr int result_invalid_context = 201;
inline constexpr int result_no_binary_for_gpu = 209;
inline constexpr int result_invalid_ptx = 218;
inline constexpr int result_unsupported_ptx_version = 222;
inline constexpr int result_not_found = 500;
inline constexpr int result_not_ready = 600;
inline constexpr int result_illegal_address = 700;
inline constexpr int result_launch_failed = 719;
inline constexpr int result_system_driver_mismatch = 803;

// CUdevice_attribute
inline constexpr int attribute_shared_bytes_per_block = 8;
inline constexpr int attribute_multiprocessors = 16;
inline constexpr int attribute_l2_bytes = 38;
inline constexpr int attribute_capability_major = 75;
inline constexpr int attribute_capability_minor = 76;
inline constexpr int attribute_shared_bytes_per_multiprocessor = 81;
inline constexpr int attribute_shared_bytes_per_block_optin = 97;

// CUfunction_attribute
inline constexpr int function_shared_bytes = 1;  // static
inline constexpr int function_largest_dynamic_shared_bytes = 8;

// CUstream_flags, CUevent_flags, CUpointer_attribute
inline constexpr unsigned stream_non_blocking = 1;
inline constexpr unsigned event_disable_timing = 2;
inline constexpr int pointer_device_ordinal = 9;

// X(member, C name, parameters). All return CUresult.
#define COSFACE_CUDA_DRIVER(X)                                                                                      \
  X(init, cuInit, (unsigned flags))                                                                                 \
  X(driver_version, cuDriverGetVersion, (int* version))                                                             \
  X(error_name, cuGetErrorName, (int result, const char** name))                                                    \
  X(error_text, cuGetErrorString, (int result, const char** text))                                                  \
  X(device_count, cuDeviceGetCount, (int* count))                                                                   \
  X(device_get, cuDeviceGet, (int* device, int ordinal))                                                            \
  X(device_name, cuDeviceGetName, (char* name, int size, int device))                                               \
  X(device_attribute, cuDeviceGetAttribute, (int* value, int attribute, int device))                                \
  X(device_memory, cuDeviceTotalMem_v2, (size_t * bytes, int device))                                               \
  X(primary_context_retain, cuDevicePrimaryCtxRetain, (CUcontext * context, int device))                            \
  X(primary_context_release, cuDevicePrimaryCtxRelease_v2, (int device))                                            \
  X(context_push, cuCtxPushCurrent_v2, (CUcontext context))                                                         \
  X(context_pop, cuCtxPopCurrent_v2, (CUcontext * context))                                                         \
  X(context_synchronize, cuCtxSynchronize, ())                                                                      \
  X(module_load, cuModuleLoadData, (CUmodule * module, const void* image))                                          \
  X(module_unload, cuModuleUnload, (CUmodule module))                                                               \
  X(module_function, cuModuleGetFunction, (CUfunction * function, CUmodule module, const char* name))               \
  X(function_attribute, cuFuncGetAttribute, (int* value, int attribute, CUfunction function))                       \
  X(set_function_attribute, cuFuncSetAttribute, (CUfunction function, int attribute, int value))                    \
  X(memory_info, cuMemGetInfo_v2, (size_t * free_bytes, size_t * total_bytes))                                      \
  X(allocate, cuMemAlloc_v2, (unsigned long long* address, size_t bytes))                                           \
  X(free, cuMemFree_v2, (unsigned long long address))                                                               \
  X(copy_to_device, cuMemcpyHtoDAsync_v2, (unsigned long long to, const void* from, size_t bytes, CUstream stream)) \
  X(copy_from_device, cuMemcpyDtoHAsync_v2, (void* to, unsigned long long from, size_t bytes, CUstream stream))     \
  X(copy_on_device, cuMemcpyDtoDAsync_v2,                                                                           \
    (unsigned long long to, unsigned long long from, size_t bytes, CUstream stream))                                \
  X(fill_bytes, cuMemsetD8Async, (unsigned long long to, unsigned char value, size_t bytes, CUstream stream))       \
  X(pointer_attribute, cuPointerGetAttribute, (void* value, int attribute, unsigned long long address))             \
  X(stream_create, cuStreamCreate, (CUstream * stream, unsigned flags))                                             \
  X(stream_destroy, cuStreamDestroy_v2, (CUstream stream))                                                          \
  X(stream_synchronize, cuStreamSynchronize, (CUstream stream))                                                     \
  X(stream_wait_event, cuStreamWaitEvent, (CUstream stream, CUevent event, unsigned flags))                         \
  X(event_create, cuEventCreate, (CUevent * event, unsigned flags))                                                 \
  X(event_destroy, cuEventDestroy_v2, (CUevent event))                                                              \
  X(event_record, cuEventRecord, (CUevent event, CUstream stream))                                                  \
  X(event_synchronize, cuEventSynchronize, (CUevent event))                                                         \
  X(event_milliseconds, cuEventElapsedTime, (float* milliseconds, CUevent start, CUevent end))                      \
  X(launch, cuLaunchKernel,                                                                                         \
    (CUfunction function, unsigned grid_x, unsigned grid_y, unsigned grid_z, unsigned block_x, unsigned block_y,    \
     unsigned block_z, unsigned shared_bytes, CUstream stream, void** parameters, void** extra))

struct driver {
#define COSFACE_MEMBER(member, name, parameters) int(*member) parameters = nullptr;
  COSFACE_CUDA_DRIVER(COSFACE_MEMBER)
#undef COSFACE_MEMBER

  std::string file;  // that was opened
  int version = 0;   // cuDriverGetVersion: 1000 major + 10 minor, 13000 for CUDA 13.0
};

// The driver of this process: opened and initialised at the first call, never closed. COSFACE_CUDA_DRIVER names another
// file than libcuda.so.1 (nvcuda.dll). Throws failure (COSFACE_ERROR_DEVICE_UNAVAILABLE) with the reason; a failure is
// not remembered, so that a driver that comes later is found.
const driver& open_driver();

// "CUDA_ERROR_OUT_OF_MEMORY (out of memory)"
std::string describe_result(const driver& driver, int result);

}  // namespace cosface::cuda
