#include "cpu/environment.h"

#include <cstdlib>
#include <cstring>

#include "cpu/check.h"
#include "cpu/isa.h"
#include "cpu/thread_team.h"

namespace cosface {
namespace {

cosface_status read_debug(int32_t* print, cosface_error* error) {
  const char* text = std::getenv("COSFACE_DEBUG");
  *print = text != nullptr && std::strcmp(text, "plan") == 0;
  if (*print || text == nullptr || *text == '\0') return COSFACE_OK;
  return fill_error(error, COSFACE_ERROR_ENVIRONMENT, "COSFACE_DEBUG", -1,
                    "the environment variable COSFACE_DEBUG is '%.40s', expected plan. Unset it to print nothing.",
                    text);
}

}  // namespace

cosface_status read_environment(cosface_isa isa, int32_t threads, call_environment& environment, cosface_error* error) {
  cosface_error reason{};
  const cpu_kernels* kernels = kernels_for(isa, &reason);
  if (kernels == nullptr) {
    if (error) *error = reason;
    return reason.status;
  }
  environment.isa = kernels->isa;
  environment.threads = threads > 0 ? threads : default_threads();
  if (environment.threads == 0)
    return fill_error(error, COSFACE_ERROR_ENVIRONMENT, "COSFACE_THREADS", -1,
                      "the environment variable COSFACE_THREADS is '%.40s', expected a whole number in [1, 1024]. "
                      "Unset it to use every processor.",
                      std::getenv("COSFACE_THREADS"));
  return read_debug(&environment.print, error);
}

}  // namespace cosface
