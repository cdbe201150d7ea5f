// What the kernels ask of a system, where there is none. The engine has the functions of a sample's scalars, which
// would be a quarter of the module, and JavaScript puts the texts of errors together. First on the linker's command
// line: what is defined here is then not taken from the C library.
#include <cstdarg>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <new>

#define COSFACE_IMPORT(name) __attribute__((import_module("env"), import_name(#name)))

extern "C" {

// A va_list of WebAssembly points to the arguments in memory, each aligned to its size.
COSFACE_IMPORT(format) void cosface_format(char* text, uint32_t size, const char* format, const void* arguments);

#define COSFACE_MATH(name)                              \
  COSFACE_IMPORT(name) double cosface_##name(double x); \
  double name(double x) { return cosface_##name(x); }

COSFACE_MATH(acos)
COSFACE_MATH(cos)
COSFACE_MATH(expm1)
COSFACE_MATH(log)
COSFACE_MATH(log1p)
COSFACE_MATH(log2)
COSFACE_MATH(sin)

COSFACE_IMPORT(pow) double cosface_pow(double x, double y);
double pow(double x, double y) { return cosface_pow(x, y); }

int vsnprintf(char* text, size_t size, const char* format, va_list arguments) {
  cosface_format(text, static_cast<uint32_t>(size), format, arguments);
  return 0;
}

int snprintf(char* text, size_t size, const char* format, ...) {
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(text, size, format, arguments);
  va_end(arguments);
  return 0;
}
}

// Nothing here allocates; the library's templates mention it.
void* operator new(size_t) { __builtin_trap(); }
void operator delete(void*) noexcept {}
void operator delete(void*, size_t) noexcept {}
