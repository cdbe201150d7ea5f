#include "tensorflow/margin_softmax_op.h"

#include <array>
#include <memory>
#include <mutex>
#include <string_view>

#include "tensorflow/cpu_kernel.h"
#include "tensorflow/gpu_kernel.h"
#include "tensorflow/op_call.h"
#include "tensorflow/op_definition.h"
#include "tensorflow/op_failure.h"
#include "tensorflow/tensorflow_api.h"

namespace cosface::tensorflow {
namespace {

// tfjs-node and tfjs-node-gpu: nobody loads a third.
constexpr size_t max_libraries = 2;
std::array<tensorflow_api, max_libraries> libraries;
size_t library_count = 0;

// TensorFlow's callbacks carry nothing that says which library calls, so each library gets its own set.
template <size_t library, bool forward>
struct op_callbacks {
  static void* create(TF_OpKernelConstruction* construction) {
    const tensorflow_api& api = libraries[library];
    call_settings* settings = nullptr;
    guarded(
        api, [&] { settings = new call_settings(read_settings(api, construction, forward)); },
        [&](TF_Status* status) { api.construction_failure(construction, status); });
    return settings;
  }

  template <typename Kernel>
  static void compute(void* kernel, TF_OpKernelContext* context) {
    const tensorflow_api& api = libraries[library];
    const call_settings& settings = *static_cast<const call_settings*>(kernel);
    guarded(
        api,
        [&] {
          op_call call(api, context, settings);
          if constexpr (forward) {
            Kernel::run_forward(call);
          } else {
            Kernel::run_gradient(call);
          }
        },
        [&](TF_Status* status) { api.context_failure(context, status); });
  }

  static void destroy(void* kernel) { delete static_cast<call_settings*>(kernel); }

  static void infer(TF_ShapeInferenceContext* context, TF_Status* status) {
    infer_shapes(libraries[library], forward, context, status);
  }
};

// As TensorFlow lists them: a KernelList of protocol buffers, whose KernelDef has the device type in field 2. The names
// "CPU" and "GPU" with that field's tag and length before them occur nowhere else in it.
std::vector<std::string> registered_devices(const tensorflow_api& api, const char* op) {
  const scoped_status status(api);
  const std::unique_ptr<TF_Buffer, void (*)(TF_Buffer*)> buffer(api.get_registered_kernels(op, status.get()),
                                                                api.delete_buffer);
  std::vector<std::string> devices;
  if (!status.ok() || buffer == nullptr) return devices;
  const auto* view = reinterpret_cast<const buffer_view*>(buffer.get());
  const std::string_view list(static_cast<const char*>(view->data), view->length);
  for (const char* device : {cpu_kernel::device, gpu_kernel::device}) {
    if (list.find(std::string("\x12\x03") + device) != std::string_view::npos) devices.push_back(device);
  }
  return devices;
}

bool op_exists(const tensorflow_api& api, const char* name) {
  const scoped_status status(api);
  const std::unique_ptr<TF_Graph, void (*)(TF_Graph*)> graph(api.new_graph(), api.delete_graph);
  const std::unique_ptr<TF_Buffer, void (*)(TF_Buffer*)> definition(api.new_buffer(), api.delete_buffer);
  api.graph_get_op_def(graph.get(), name, definition.get(), status.get());
  return status.ok();
}

// One op in one library.
template <size_t library, bool forward>
class op_registrar {
 public:
  bool exists() const { return op_exists(api_, name_); }

  // Precondition: the op does not exist. TensorFlow answers a second definition by ending the process.
  bool define(std::string* error) const {
    TF_OpDefinitionBuilder* builder = define_op(api_, forward);
    if (api_.infers_shapes()) api_.op_definition_set_shape_function(builder, callbacks::infer);
    const scoped_status status(api_);
    api_.register_op_definition(builder, status.get());
    return accepted(status, error);
  }

  // Does nothing where the device has a kernel.
  template <typename Kernel>
  bool add_kernel(std::string* error) const {
    for (const std::string& device : registered_devices(api_, name_)) {
      if (device == Kernel::device) return true;
    }
    TF_KernelBuilder* kernel = api_.new_kernel_builder(name_, Kernel::device, callbacks::create,
                                                       callbacks::template compute<Kernel>, callbacks::destroy);
    if (std::string_view(Kernel::device) == gpu_kernel::device) api_.kernel_builder_host_memory(kernel, doubles_input);
    const scoped_status status(api_);
    api_.register_kernel_builder((std::string(name_) + Kernel::device).c_str(), kernel, status.get());
    return accepted(status, error);
  }

 private:
  using callbacks = op_callbacks<library, forward>;

  bool accepted(const scoped_status& status, std::string* error) const {
    if (!status.ok()) {
      *error = std::string("TensorFlow ") + api_.version() + " refused " + name_ + ": " + status.message();
    }
    return status.ok();
  }

  const tensorflow_api& api_ = libraries[library];
  const char* name_ = forward ? forward_op : gradient_op;
};

template <size_t library>
bool register_in(bool gpu, bool* new_op, std::string* error) {
  const op_registrar<library, true> forward;
  const op_registrar<library, false> gradient;
  const bool forward_exists = forward.exists(), gradient_exists = gradient.exists();
  *new_op = !forward_exists || !gradient_exists;
  if (!forward_exists && !forward.define(error)) return false;
  if (!gradient_exists && !gradient.define(error)) return false;
  if (!forward.template add_kernel<cpu_kernel>(error) || !gradient.template add_kernel<cpu_kernel>(error)) return false;
  return !gpu || (forward.template add_kernel<gpu_kernel>(error) && gradient.template add_kernel<gpu_kernel>(error));
}

// The place of this library's table; a library is known by the address of one of its functions.
bool library_of(const tensorflow_api& api, size_t* library, std::string* error) {
  for (*library = 0; *library < library_count; ++*library) {
    if (libraries[*library].register_op_definition == api.register_op_definition) return true;
  }
  if (library_count == max_libraries) {
    *error = "this process has loaded more than two TensorFlow libraries";
    return false;
  }
  libraries[library_count++] = api;
  return true;
}

// Whether a kernel for the GPU can be registered; if not, why.
bool has_gpu(const tensorflow_api& api, std::string* reason) {
  if (!api.has_gpu_kernels()) {
    *reason = std::string("TensorFlow ") + api.version() + " lacks TF_KernelBuilder_HostMemory or TF_AllocateTemp.";
    return false;
  }
  return gpu_kernel::find_device(reason);
}

}  // namespace

bool register_op(const std::string& binding_path, const std::string& without_gpu, registration* outcome,
                 std::string* error) {
  // Worker threads share one image of the addon, so this covers them all. A second copy of the addon in
  // another thread at the same instant is not covered; TensorFlow offers nothing to lock on.
  static std::mutex mutex;
  const std::lock_guard<std::mutex> lock(mutex);
  tensorflow_api api;
  size_t library = 0;
  if (!find_tensorflow_api(binding_path, &api, error) || !library_of(api, &library, error)) return false;
  if (!pin_module_of(&libraries, error)) return false;
  std::string reason = without_gpu;
  const bool gpu = without_gpu.empty() && has_gpu(api, &reason);
  static_assert(max_libraries == 2);
  const auto register_ops = library == 0 ? register_in<0> : register_in<1>;
  if (!register_ops(gpu, &outcome->new_op, error)) return false;
  outcome->devices = registered_devices(api, forward_op);
  outcome->gpu_reason = outcome->devices.size() > 1 ? "" : reason;
  return true;
}

}  // namespace cosface::tensorflow
