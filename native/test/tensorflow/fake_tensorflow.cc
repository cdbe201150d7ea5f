#include "tensorflow/fake_tensorflow.h"

#include <dlfcn.h>

#include <cstring>
#include <set>

using cosface::tensorflow::compute_function;
using cosface::tensorflow::create_function;
using cosface::tensorflow::delete_function;
using cosface::test::fake_allocator;
using cosface::test::fake_attributes;
using cosface::test::fake_call;
using cosface::test::fake_kernel;
using cosface::test::fake_outcome;
using cosface::test::fake_tensor;

struct TF_Status {
  int code = cosface::tensorflow::code_ok;
  std::string message;
};

struct TF_Tensor {
  fake_tensor tensor;
};

// Its head is what buffer_view says.
struct TF_Buffer {
  const void* data = nullptr;
  size_t length = 0;
  std::string text;
};

struct TF_Graph {};

struct TF_OpDefinitionBuilder {
  std::string name;
};

struct TF_KernelBuilder {
  fake_kernel kernel;
};

struct TF_OpKernelConstruction {
  const fake_attributes& attributes;
  fake_outcome outcome;
};

struct TF_OpKernelContext {
  const fake_call& call;
  fake_outcome outcome;
};

namespace {

std::set<std::string> ops;
std::vector<fake_kernel> kernels;
int64_t handles = 0;

// TensorFlow's own address for the data of every empty tensor.
char empty_data;

void set(TF_Status* status, int code, const std::string& message) {
  status->code = code;
  status->message = message;
}

TF_Tensor* handle_of(const fake_tensor& tensor) {
  handles++;
  return new TF_Tensor{tensor};
}

// Null with RESOURCE_EXHAUSTED.
TF_Tensor* allocate(TF_OpKernelContext* context, int type, const std::vector<int64_t>& shape, TF_Status* status) {
  fake_tensor tensor = cosface::test::allocate_tensor(context->call.allocator, type, shape);
  if (tensor.bytes() > 0 && tensor.memory == nullptr) {
    set(status, cosface::tensorflow::code_resource_exhausted, "OOM when allocating tensor");
    return nullptr;
  }
  set(status, cosface::tensorflow::code_ok, "");
  return handle_of(tensor);
}

}  // namespace

extern "C" {

COSFACE_EXPORT const char* TF_Version() { return "0.0.0"; }

COSFACE_EXPORT TF_Status* TF_NewStatus() {
  handles++;
  return new TF_Status;
}
COSFACE_EXPORT void TF_DeleteStatus(TF_Status* status) {
  handles--;
  delete status;
}
COSFACE_EXPORT int TF_GetCode(const TF_Status* status) { return status->code; }
COSFACE_EXPORT const char* TF_Message(const TF_Status* status) { return status->message.c_str(); }
COSFACE_EXPORT void TF_SetStatus(TF_Status* status, int code, const char* message) { set(status, code, message); }

COSFACE_EXPORT TF_Buffer* TF_NewBuffer() { return new TF_Buffer; }
COSFACE_EXPORT void TF_DeleteBuffer(TF_Buffer* buffer) { delete buffer; }
COSFACE_EXPORT TF_Graph* TF_NewGraph() { return new TF_Graph; }
COSFACE_EXPORT void TF_DeleteGraph(TF_Graph* graph) { delete graph; }

COSFACE_EXPORT void TF_GraphGetOpDef(TF_Graph*, const char* name, TF_Buffer*, TF_Status* status) {
  set(status, ops.contains(name) ? 0 : 5, "");
}

COSFACE_EXPORT TF_Buffer* TF_GetRegisteredKernelsForOp(const char* name, TF_Status* status) {
  set(status, cosface::tensorflow::code_ok, "");
  auto* buffer = new TF_Buffer;
  const auto field = [](char tag, const std::string& text) {
    return std::string{tag, static_cast<char>(text.size())} + text;
  };
  for (const fake_kernel& kernel : kernels) {
    if (kernel.op == name) buffer->text += field('\x0a', field('\x0a', kernel.op) + field('\x12', kernel.device));
  }
  buffer->data = buffer->text.data();
  buffer->length = buffer->text.size();
  return buffer;
}

COSFACE_EXPORT TF_OpDefinitionBuilder* TF_NewOpDefinitionBuilder(const char* name) {
  return new TF_OpDefinitionBuilder{name};
}
COSFACE_EXPORT void TF_OpDefinitionBuilderAddInput(TF_OpDefinitionBuilder*, const char*) {}
COSFACE_EXPORT void TF_OpDefinitionBuilderAddOutput(TF_OpDefinitionBuilder*, const char*) {}
COSFACE_EXPORT void TF_OpDefinitionBuilderAddAttr(TF_OpDefinitionBuilder*, const char*) {}

COSFACE_EXPORT void TF_RegisterOpDefinition(TF_OpDefinitionBuilder* builder, TF_Status* status) {
  set(status, ops.insert(builder->name).second ? 0 : 6, "defined twice");
  delete builder;
}

COSFACE_EXPORT TF_KernelBuilder* TF_NewKernelBuilder(const char* op, const char* device, create_function create,
                                                     compute_function compute, delete_function destroy) {
  return new TF_KernelBuilder{{op, device, create, compute, destroy, {}}};
}
COSFACE_EXPORT void TF_KernelBuilder_HostMemory(TF_KernelBuilder* builder, const char* argument) {
  builder->kernel.host_memory.push_back(argument);
}
COSFACE_EXPORT void TF_RegisterKernelBuilder(const char*, TF_KernelBuilder* builder, TF_Status* status) {
  set(status, cosface::tensorflow::code_ok, "");
  kernels.push_back(builder->kernel);
  delete builder;
}

COSFACE_EXPORT void TF_OpKernelConstruction_GetAttrInt64(TF_OpKernelConstruction* construction, const char* name,
                                                         int64_t* value, TF_Status* status) {
  set(status, cosface::tensorflow::code_ok, "");
  *value = construction->attributes.integers.at(name);
}
COSFACE_EXPORT void TF_OpKernelConstruction_GetAttrString(TF_OpKernelConstruction* construction, const char* name,
                                                          char* value, size_t size, TF_Status* status) {
  set(status, cosface::tensorflow::code_ok, "");
  const std::string& text = construction->attributes.strings.at(name);
  std::memcpy(value, text.data(), std::min(size, text.size()));
}
COSFACE_EXPORT void TF_OpKernelConstruction_Failure(TF_OpKernelConstruction* construction, TF_Status* status) {
  construction->outcome.code = status->code;
  construction->outcome.message = status->message;
}

COSFACE_EXPORT void TF_OpKernelContext_Failure(TF_OpKernelContext* context, TF_Status* status) {
  context->outcome.code = status->code;
  context->outcome.message = status->message;
}
COSFACE_EXPORT void TF_GetInput(TF_OpKernelContext* context, int index, TF_Tensor** tensor, TF_Status* status) {
  set(status, cosface::tensorflow::code_ok, "");
  *tensor = handle_of(context->call.inputs.at(static_cast<size_t>(index)));
}
COSFACE_EXPORT TF_Tensor* TF_AllocateOutput(TF_OpKernelContext* context, int index, int type, const int64_t* dims,
                                            int rank, size_t, TF_Status* status) {
  context->call.on_event("output " + std::to_string(index));
  if (static_cast<int>(context->outcome.outputs.size()) >= context->call.outputs_that_fit) {
    set(status, cosface::tensorflow::code_resource_exhausted, "OOM when allocating tensor");
    return nullptr;
  }
  TF_Tensor* tensor = allocate(context, type, std::vector<int64_t>(dims, dims + rank), status);
  if (tensor != nullptr) context->outcome.outputs[index] = tensor->tensor;
  return tensor;
}
COSFACE_EXPORT TF_Tensor* TF_AllocateTemp(TF_OpKernelContext* context, int type, const int64_t* dims, int rank, void*,
                                          TF_Status* status) {
  context->call.on_event("temporary");
  return allocate(context, type, std::vector<int64_t>(dims, dims + rank), status);
}

COSFACE_EXPORT void TF_DeleteTensor(TF_Tensor* tensor) {
  handles--;
  delete tensor;
}
COSFACE_EXPORT void* TF_TensorData(const TF_Tensor* tensor) {
  return tensor->tensor.memory == nullptr ? &empty_data : tensor->tensor.memory.get();
}
COSFACE_EXPORT int TF_TensorType(const TF_Tensor* tensor) { return tensor->tensor.type; }
COSFACE_EXPORT int TF_NumDims(const TF_Tensor* tensor) { return static_cast<int>(tensor->tensor.shape.size()); }
COSFACE_EXPORT int64_t TF_Dim(const TF_Tensor* tensor, int axis) {
  return tensor->tensor.shape.at(static_cast<size_t>(axis));
}

}  // extern "C"

namespace cosface::test {

size_t fake_tensor::bytes() const {
  size_t bytes = type == tensorflow::type_uint8 ? 1 : 4;
  for (const int64_t extent : shape) bytes *= static_cast<size_t>(extent);
  return bytes;
}

fake_tensor allocate_tensor(const fake_allocator& allocator, int type, const std::vector<int64_t>& shape) {
  fake_tensor tensor{type, shape, nullptr};
  if (tensor.bytes() == 0) return tensor;
  if (void* address = allocator.allocate(tensor.bytes())) {
    tensor.memory = std::shared_ptr<void>(address, allocator.release);
  }
  return tensor;
}

void reset_fake_tensorflow() {
  ops.clear();
  kernels.clear();
}

const std::vector<fake_kernel>& fake_kernels() { return kernels; }

std::string fake_tensorflow_path() {
  Dl_info module;
  return dladdr(reinterpret_cast<const void*>(&TF_NewStatus), &module) != 0 ? module.dli_fname : "";
}

int64_t live_handles() { return handles; }

fake_outcome run_fake_op(const std::string& op, const std::string& device, const fake_attributes& attributes,
                         const fake_call& call) {
  for (const fake_kernel& kernel : kernels) {
    if (kernel.op != op || kernel.device != device) continue;
    TF_OpKernelConstruction construction{attributes, {}};
    void* object = kernel.create(&construction);
    if (construction.outcome.code != tensorflow::code_ok) return construction.outcome;
    TF_OpKernelContext context{call, {}};
    kernel.compute(object, &context);
    kernel.destroy(object);
    return context.outcome;
  }
  return {tensorflow::code_unimplemented, "no kernel of " + op + " for " + device, {}};
}

}  // namespace cosface::test
