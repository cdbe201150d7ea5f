// The part of TensorFlow's C API that the op needs, found at run time.
//
// Nothing links TensorFlow: the library that counts is the one tfjs-node has loaded, whatever its
// file is called. Its functions are looked up through the handle of tfjs_binding.node, because Node
// opens addons RTLD_LOCAL (RTLD_DEFAULT finds none of them) and the official archive and the wheel
// spread the symbols over differently named files, all of which hang on that one module.
//
// Declarations follow tensorflow/c/{c_api,tf_status,tf_tensor,ops,kernels}.h, unchanged from 2.12 to
// 2.21. The members drop the TF_ prefix on purpose: an object with the very name of a C symbol can
// be interposed by it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

extern "C" {
typedef struct TF_Buffer TF_Buffer;
typedef struct TF_Graph TF_Graph;
typedef struct TF_KernelBuilder TF_KernelBuilder;
typedef struct TF_OpDefinitionBuilder TF_OpDefinitionBuilder;
typedef struct TF_OpKernelConstruction TF_OpKernelConstruction;
typedef struct TF_OpKernelContext TF_OpKernelContext;
typedef struct TF_ShapeHandle TF_ShapeHandle;
typedef struct TF_ShapeInferenceContext TF_ShapeInferenceContext;
typedef struct TF_Status TF_Status;
typedef struct TF_Tensor TF_Tensor;
}

namespace cosface::tensorflow {

// TF_Code
inline constexpr int code_ok = 0;
inline constexpr int code_invalid_argument = 3;
inline constexpr int code_resource_exhausted = 8;
inline constexpr int code_unimplemented = 12;
inline constexpr int code_internal = 13;
inline constexpr int code_unavailable = 14;

// TF_DataType
inline constexpr int type_float = 1;
inline constexpr int type_int32 = 3;
inline constexpr int type_uint8 = 4;

// The head of TF_Buffer, which is public.
struct buffer_view {
  const void* data;
  size_t length;
};

using shape_function = void (*)(TF_ShapeInferenceContext*, TF_Status*);
using create_function = void* (*)(TF_OpKernelConstruction*);
using compute_function = void (*)(void*, TF_OpKernelContext*);
using delete_function = void (*)(void*);

// X(result, member, C name, parameters). Without one of these there is no op.
#define COSFACE_TENSORFLOW_REQUIRED(X)                                                                       \
  X(const char*, version, TF_Version, (void))                                                                \
  X(TF_Status*, new_status, TF_NewStatus, (void))                                                            \
  X(void, delete_status, TF_DeleteStatus, (TF_Status*))                                                      \
  X(int, get_code, TF_GetCode, (const TF_Status*))                                                           \
  X(const char*, message, TF_Message, (const TF_Status*))                                                    \
  X(void, set_status, TF_SetStatus, (TF_Status*, int, const char*))                                          \
  X(TF_Buffer*, new_buffer, TF_NewBuffer, (void))                                                            \
  X(void, delete_buffer, TF_DeleteBuffer, (TF_Buffer*))                                                      \
  X(TF_Graph*, new_graph, TF_NewGraph, (void))                                                               \
  X(void, delete_graph, TF_DeleteGraph, (TF_Graph*))                                                         \
  X(void, graph_get_op_def, TF_GraphGetOpDef, (TF_Graph*, const char*, TF_Buffer*, TF_Status*))              \
  X(TF_Buffer*, get_registered_kernels, TF_GetRegisteredKernelsForOp, (const char*, TF_Status*))             \
  X(TF_OpDefinitionBuilder*, new_op_definition_builder, TF_NewOpDefinitionBuilder, (const char*))            \
  X(void, op_definition_add_input, TF_OpDefinitionBuilderAddInput, (TF_OpDefinitionBuilder*, const char*))   \
  X(void, op_definition_add_output, TF_OpDefinitionBuilderAddOutput, (TF_OpDefinitionBuilder*, const char*)) \
  X(void, op_definition_add_attr, TF_OpDefinitionBuilderAddAttr, (TF_OpDefinitionBuilder*, const char*))     \
  X(void, register_op_definition, TF_RegisterOpDefinition, (TF_OpDefinitionBuilder*, TF_Status*))            \
  X(TF_KernelBuilder*, new_kernel_builder, TF_NewKernelBuilder,                                              \
    (const char*, const char*, create_function, compute_function, delete_function))                          \
  X(void, register_kernel_builder, TF_RegisterKernelBuilder, (const char*, TF_KernelBuilder*, TF_Status*))   \
  X(void, construction_attr_int64, TF_OpKernelConstruction_GetAttrInt64,                                     \
    (TF_OpKernelConstruction*, const char*, int64_t*, TF_Status*))                                           \
  X(void, construction_attr_string, TF_OpKernelConstruction_GetAttrString,                                   \
    (TF_OpKernelConstruction*, const char*, char*, size_t, TF_Status*))                                      \
  X(void, construction_failure, TF_OpKernelConstruction_Failure, (TF_OpKernelConstruction*, TF_Status*))     \
  X(void, context_failure, TF_OpKernelContext_Failure, (TF_OpKernelContext*, TF_Status*))                    \
  X(void, get_input, TF_GetInput, (TF_OpKernelContext*, int, TF_Tensor**, TF_Status*))                       \
  X(TF_Tensor*, allocate_output, TF_AllocateOutput,                                                          \
    (TF_OpKernelContext*, int, int, const int64_t*, int, size_t, TF_Status*))                                \
  X(void, delete_tensor, TF_DeleteTensor, (TF_Tensor*))                                                      \
  X(void*, tensor_data, TF_TensorData, (const TF_Tensor*))                                                   \
  X(int, tensor_type, TF_TensorType, (const TF_Tensor*))                                                     \
  X(int, num_dims, TF_NumDims, (const TF_Tensor*))                                                           \
  X(int64_t, dim, TF_Dim, (const TF_Tensor*, int))

// Shape inference: graphs only. tfjs-node runs ops one by one and never asks for it, so a library
// without these functions loses nothing there.
#define COSFACE_TENSORFLOW_OPTIONAL(X)                                                       \
  X(void, op_definition_set_shape_function, TF_OpDefinitionBuilderSetShapeInferenceFunction, \
    (TF_OpDefinitionBuilder*, shape_function))                                               \
  X(TF_ShapeHandle*, new_shape_handle, TF_NewShapeHandle, (void))                            \
  X(void, delete_shape_handle, TF_DeleteShapeHandle, (TF_ShapeHandle*))                      \
  X(void, shape_get_input, TF_ShapeInferenceContextGetInput,                                 \
    (TF_ShapeInferenceContext*, int, TF_ShapeHandle*, TF_Status*))                           \
  X(void, shape_with_rank, TF_ShapeInferenceContextWithRank,                                 \
    (TF_ShapeInferenceContext*, TF_ShapeHandle*, int64_t, TF_ShapeHandle*, TF_Status*))      \
  X(void, shape_set_output, TF_ShapeInferenceContextSetOutput,                               \
    (TF_ShapeInferenceContext*, int, TF_ShapeHandle*, TF_Status*))                           \
  X(void, shape_set_unknown, TF_ShapeInferenceContextSetUnknownShape, (TF_ShapeInferenceContext*, TF_Status*))

// Kernels for a GPU. TF_AllocateTemp's second pointer is a TF_AllocatorAttributes, null for the kernel's own device.
#define COSFACE_TENSORFLOW_GPU(X)                                                                    \
  X(void, kernel_builder_host_memory, TF_KernelBuilder_HostMemory, (TF_KernelBuilder*, const char*)) \
  X(TF_Tensor*, allocate_temp, TF_AllocateTemp, (TF_OpKernelContext*, int, const int64_t*, int, void*, TF_Status*))

// The functions of one loaded TensorFlow. Two packages in one process (tfjs-node and tfjs-node-gpu of
// different versions) bring two libraries with two registries, so this is a table and not globals.
struct tensorflow_api {
#define COSFACE_MEMBER(result, member, name, parameters) result(*member) parameters = nullptr;
  COSFACE_TENSORFLOW_REQUIRED(COSFACE_MEMBER)
  COSFACE_TENSORFLOW_OPTIONAL(COSFACE_MEMBER)
  COSFACE_TENSORFLOW_GPU(COSFACE_MEMBER)
#undef COSFACE_MEMBER

  bool infers_shapes() const;
  bool has_gpu_kernels() const;
};

// Fills `api` from the library behind the loaded module `binding_path` and keeps that module open for
// the life of the process. False, with the reason in `error`, if the module is not loaded, a required
// function is missing or the platform has no such lookup.
bool find_tensorflow_api(const std::string& binding_path, tensorflow_api* api, std::string* error);

// Keeps the module that holds `address` in memory until the process ends.
bool pin_module_of(const void* address, std::string* error);

}  // namespace cosface::tensorflow
