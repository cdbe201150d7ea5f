// What leaves a CUDA function that cannot go on. It never passes the C ABI: library.cc makes a cosface_error of it.
#pragma once

#include <cstdint>
#include <exception>
#include <string>
#include <utility>

#include "cosface/margin_softmax.h"

namespace cosface::cuda {

class failure : public std::exception {
 public:
  failure(cosface_status status, std::string message, std::string argument = "device", int64_t index = -1)
      : status_(status), message_(std::move(message)), argument_(std::move(argument)), index_(index) {}

  cosface_status status() const { return status_; }
  const std::string& argument() const { return argument_; }  // the public name, as in cosface_error
  int64_t index() const { return index_; }
  const char* what() const noexcept override { return message_.c_str(); }

 private:
  cosface_status status_;
  std::string message_, argument_;
  int64_t index_;
};

}  // namespace cosface::cuda
