/* The CUDA library: the C ABI of cosface_cuda.node, a file beside the addon that may be missing.
 *
 * It links neither the CUDA runtime nor the driver, so that it can be opened on any machine and say what is missing.
 * One exported function gives a table. Whoever opens the library compares both ABI versions, asks score(), and only
 * then uses the rest. It is never closed: the driver keeps threads of its own.
 *
 * Devices are named by their ordinal, as CUDA_VISIBLE_DEVICES orders them. A device is opened by the first call that
 * needs it and stays open, with the memory it has used, until release(). Every function is thread-safe; calls on one
 * device go one after the other. Nothing throws. What the C ABI of margin_softmax.h says of problem, options and
 * results holds here too, but for:
 *   - options.isa and options.threads mean nothing here; gradients leave out nothing, whatever gradient_tolerance is;
 *   - precision bf16 is a permission that is taken where other classes' scores are cosines as they are (no curve, hard
 *     negatives, filter, sub-centers, bias, lengths that are kept, or binary form), and fp32 elsewhere;
 *   - options.workspace_bytes is device memory beyond inputs and outputs, 0 a size that suits the shape and the device;
 *   - the result is the same bits on every run on one kind of device, and differs in the last bits from the CPU's.
 */
#ifndef COSFACE_CUDA_H
#define COSFACE_CUDA_H

#include <stdint.h>

#include "cosface/margin_softmax.h"

#ifdef __cplusplus
extern "C" {
#endif

#define COSFACE_CUDA_ABI_VERSION 1
#define COSFACE_CUDA_LIBRARY_SYMBOL "cosface_cuda_library_v1"

/* What is known of a device and of the driver. Versions count as cuDriverGetVersion does: 13000 is CUDA 13.0. */
typedef struct cosface_cuda_device_info {
  int32_t ordinal;
  int32_t device_count;
  char name[128];
  int32_t capability; /* 10 major + minor: 90 */
  int32_t multiprocessors;
  int64_t memory_bytes;
  int64_t free_bytes;
  int32_t driver_version;
  char driver_file[256];   /* as it was opened: "libcuda.so.1" */
  int32_t toolkit_version; /* that compiled the kernels; 0: a build without device code, for tests */
  char architectures[128]; /* of the kernels, for people */
} cosface_cuda_device_info;

/* A part of the classes: row c of the problem's weights is row ids[c] of the array (rows K ids[c] on, with
 * sub-centers), classes is their count, and d_weights has one row (K rows) for each, bias and d_bias one element.
 * Labels and predictions are positions in the list. */
typedef struct cosface_cuda_class_subset {
  const int32_t* ids; /* [count], rising; on the same side (host or device) as the problem's arrays */
  int64_t total;      /* classes of the weights */
} cosface_cuda_class_subset;

typedef struct cosface_cuda_call {
  const cosface_margin_softmax_problem* problem;
  const cosface_margin_softmax_options* options;
  const cosface_cuda_class_subset* subset; /* NULL: all classes */
  cosface_margin_softmax_results* results;
  void* workspace; /* margin_softmax_on_device only: device memory, aligned to 256 bytes; NULL: the library's own */
  int64_t workspace_bytes; /* its size; at least what needed_workspace says */
} cosface_cuda_call;

/* Weights that stay on a device between steps, with their gradient and their velocity. */
typedef struct cosface_cuda_resident cosface_cuda_resident;

typedef enum cosface_cuda_part {
  COSFACE_CUDA_WEIGHTS = 0,
  COSFACE_CUDA_GRADIENT = 1, /* of the last step with gradients, [rows of that step, D]; none before it */
  COSFACE_CUDA_VELOCITY = 2  /* zeros until the first update with momentum */
} cosface_cuda_part;

/* velocity = momentum velocity + gradient + weight_decay weights;  weights -= learning_rate velocity.
 * Source: Sutskever et al., ICML 2013, without Nesterov's step; the form of PyTorch's SGD and TensorFlow's Momentum. */
typedef struct cosface_cuda_sgd {
  double learning_rate; /* [0, 1e6] */
  double momentum;      /* [0, 1) */
  double weight_decay;  /* [0, 1e6] */
} cosface_cuda_sgd;

typedef struct cosface_cuda_library {
  int32_t abi_version;                /* COSFACE_CUDA_ABI_VERSION; the first member of every version */
  int32_t margin_softmax_abi_version; /* COSFACE_ABI_VERSION, which all structs above depend on */

  /* Above 0 where the device can be used, and the higher the better; 0 where not, with the reason in *error:
   * COSFACE_ERROR_DEVICE_UNAVAILABLE. Opens the device. */
  int32_t (*score)(int32_t ordinal, cosface_error* error);
  cosface_status (*describe_device)(int32_t ordinal, cosface_cuda_device_info* info, cosface_error* error);

  cosface_status (*count_devices)(int32_t* count, cosface_error* error);

  /* What a run would do and need, for people; the words may change. */
  cosface_status (*describe_plan)(int32_t ordinal, const cosface_margin_softmax_problem* problem,
                                  const cosface_margin_softmax_options* options, int32_t gradients, char* text,
                                  int64_t size, cosface_error* error);

  /* Arrays of the host, copied to the device and back. */
  cosface_status (*margin_softmax)(int32_t ordinal, const cosface_cuda_call* call, cosface_error* error);

  /* Bytes of workspace of a call with these dimensions and options. Of the problem's pointers only `bias` matters: NULL
   * where there is none and no d_bias is wanted. */
  cosface_status (*needed_workspace)(int32_t ordinal, const cosface_margin_softmax_problem* problem,
                                     const cosface_margin_softmax_options* options, int32_t gradients, int64_t* bytes,
                                     cosface_error* error);

  /* Arrays of the device: every pointer of problem, subset and results. `stream` is the CUstream whose work made the
   * inputs and will read the outputs; the call queues on it. NULL: not known. Then the call waits for all work that was
   * queued on the device by this process before. Either way everything is done when it returns. */
  cosface_status (*margin_softmax_on_device)(int32_t ordinal, const cosface_cuda_call* call, void* stream,
                                             cosface_error* error);

  /* For callers of margin_softmax_on_device. `pointer` is memory of some device; the copies begin when all work that
   * was queued on the device by this process before is done, and are done on return. */
  cosface_status (*device_of)(const void* pointer, int32_t* ordinal, cosface_error* error);
  cosface_status (*copy_to_device)(int32_t ordinal, void* to, const void* from, int64_t bytes, cosface_error* error);
  cosface_status (*copy_from_device)(int32_t ordinal, void* to, const void* from, int64_t bytes, cosface_error* error);

  /* `weights` [classes, dim] on the host; may be NULL: zeros. With sub-centers `classes` counts rows, C K. */
  cosface_status (*create_resident)(int32_t ordinal, int64_t classes, int64_t dim, const float* weights,
                                    cosface_cuda_resident** resident, cosface_error* error);
  /* As margin_softmax, with the resident weights: problem->weights and results->d_weights are NULL. The gradient of the
   * weights is kept where `gradients` is not 0, whether or not results->d_embeddings is wanted. No subset with
   * sub-centers. */
  cosface_status (*run_resident)(cosface_cuda_resident* resident, const cosface_cuda_call* call, int32_t gradients,
                                 cosface_error* error);
  /* Applies the gradient of the last step to the rows that it has. */
  cosface_status (*update_resident)(cosface_cuda_resident* resident, const cosface_cuda_sgd* sgd, cosface_error* error);
  /* Rows [first, first + count) to and from the host, [count, dim]. The gradient can only be read. */
  cosface_status (*read_resident)(cosface_cuda_resident* resident, cosface_cuda_part part, int64_t first, int64_t count,
                                  float* values, cosface_error* error);
  cosface_status (*write_resident)(cosface_cuda_resident* resident, cosface_cuda_part part, int64_t first,
                                   int64_t count, const float* values, cosface_error* error);
  /* NULL is allowed. No call on it may be running. */
  void (*free_resident)(cosface_cuda_resident* resident);

  /* Gives back the memory kept between calls, and closes every device that neither a running call nor resident weights
   * use. */
  void (*release)(void);
} cosface_cuda_library;

typedef const cosface_cuda_library* cosface_cuda_library_function(void);

#ifdef _WIN32
#define COSFACE_CUDA_EXPORT __declspec(dllexport)
#else
#define COSFACE_CUDA_EXPORT __attribute__((visibility("default")))
#endif

/* The table, always the same one. Only cosface_cuda.node defines it; found by COSFACE_CUDA_LIBRARY_SYMBOL. */
COSFACE_CUDA_EXPORT const cosface_cuda_library* cosface_cuda_library_v1(void);

#ifdef __cplusplus
}
#endif

#endif /* COSFACE_CUDA_H */
