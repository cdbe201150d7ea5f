#include "cuda/emulator/pretence.h"

#include <charconv>
#include <cstdlib>
#include <map>
#include <sstream>
#include <string_view>
#include <vector>

#include "cuda/driver.h"
#include "cuda/emulator/execution.h"

namespace cosface::cuda::emulator {
namespace {

constexpr const char* device_variable = "COSFACE_EMULATOR_DEVICE";
constexpr const char* failure_variable = "COSFACE_EMULATOR_FAIL";

std::string environment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

std::vector<std::string> split(const std::string& text, char separator) {
  std::vector<std::string> parts;
  std::istringstream stream(text);
  for (std::string part; std::getline(stream, part, separator);) parts.push_back(part);
  return parts;
}

int64_t whole_number(const std::string& text, const char* variable) {
  int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value < 0)
    broken_rule("%s has '%s', expected a whole number", variable, text.c_str());
  return value;
}

int64_t* number_named(pretended_device& device, std::string_view name) {
  if (name == "count") return &device.count;
  if (name == "capability") return &device.capability;
  if (name == "shared_kib") return &device.shared_kib;
  if (name == "multiprocessors") return &device.multiprocessors;
  if (name == "memory_mib") return &device.memory_mib;
  if (name == "driver") return &device.driver;
  return nullptr;
}

struct injection {
  std::string function;
  int result;
  int64_t call;  // 0: all
};

bool is_driver_function(std::string_view name) {
#define COSFACE_IS_NAME(member, function, parameters) \
  if (name == #function) return true;
  COSFACE_CUDA_DRIVER(COSFACE_IS_NAME)
#undef COSFACE_IS_NAME
  return false;
}

injection parse_injection(const std::string& text) {
  const size_t colon = text.find(':'), at = text.find('@');
  if (colon == std::string::npos || !is_driver_function(text.substr(0, colon)))
    broken_rule("%s has '%s', expected FUNCTION:RESULT or FUNCTION:RESULT@CALL of a function in driver.h",
                failure_variable, text.c_str());
  const int64_t result = whole_number(text.substr(colon + 1, at - colon - 1), failure_variable);
  return {text.substr(0, colon), static_cast<int>(result),
          at == std::string::npos ? 0 : whole_number(text.substr(at + 1), failure_variable)};
}

struct injections {
  std::string text;
  uint64_t generation = 0;
  std::vector<injection> list;
  std::map<std::string, int64_t> calls;
};

injections& current_injections() {
  static injections state;
  const std::string text = environment(failure_variable);
  if (text != state.text) {
    state = {text, state.generation + 1, {}, {}};
    for (const std::string& part : split(text, ',')) state.list.push_back(parse_injection(part));
  }
  return state;
}

}  // namespace

pretended_device read_pretended_device() {
  pretended_device device;
  for (const std::string& setting : split(environment(device_variable), ',')) {
    const size_t equals = setting.find('=');
    const std::string name = setting.substr(0, equals);
    const std::string value = equals == std::string::npos ? "" : setting.substr(equals + 1);
    if (name == "name")
      device.name = value;
    else if (int64_t* number = number_named(device, name))
      *number = whole_number(value, device_variable);
    else
      broken_rule("%s sets '%s', which there is not", device_variable, name.c_str());
  }
  return device;
}

int injected_failure(const std::string& function) {
  injections& state = current_injections();
  const int64_t call = ++state.calls[function];
  for (const injection& i : state.list)
    if (i.function == function && (i.call == 0 || i.call == call)) return i.result;
  return result_ok;
}

uint64_t generation_of_failures() { return current_injections().generation; }

}  // namespace cosface::cuda::emulator
