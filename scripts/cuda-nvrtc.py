"""Compiles a CUDA source by NVRTC: cuda-nvrtc.py LIBNVRTC SOURCE FOLDER INCLUDE... -- ARCHITECTURE...

Writes FOLDER/sm_80.cubin and so on, and FOLDER/compute_90.ptx for a compute_90. NVRTC is the CUDA compiler as a
library, for device code alone; its wheels go back to versions of which no wheel holds nvcc.
"""

import ctypes
import os
import sys

# NVRTC brings no header of C. These are the types, in its own data model.
HEADERS = {
    "stdint.h": "typedef signed char int8_t; typedef short int16_t; typedef int int32_t; typedef long long int64_t;"
    "typedef unsigned char uint8_t; typedef unsigned short uint16_t; typedef unsigned int uint32_t;"
    "typedef unsigned long long uint64_t; typedef unsigned long long uintptr_t;",
    "cstdint": "#include <stdint.h>\nnamespace std { using ::int32_t; using ::int64_t; using ::uint32_t; using ::uint64_t; }",
    # Its functions are built in.
    "math.h": "",
    "cstddef": "namespace std { typedef decltype(sizeof(0)) size_t; enum class byte : unsigned char {}; }",
}


class Nvrtc:
    def __init__(self, library):
        self.library = ctypes.CDLL(library)
        self.library.nvrtcGetErrorString.restype = ctypes.c_char_p

    def call(self, name, *arguments):
        result = getattr(self.library, name)(*arguments)
        if result != 0:
            raise RuntimeError(f"{name}: {self.library.nvrtcGetErrorString(result).decode()}")

    def text_of(self, program, what):
        """What the library hands out in two calls: its size, then its bytes."""
        size = ctypes.c_size_t()
        self.call(f"nvrtcGet{what}Size", program, ctypes.byref(size))
        text = ctypes.create_string_buffer(size.value)
        self.call(f"nvrtcGet{what}", program, text)
        return text.raw

    def compile(self, source, includes, architecture):
        with open(source, "rb") as file:
            text = file.read()
        contents = [value.encode() for value in HEADERS.values()]
        names = [name.encode() for name in HEADERS]
        strings = ctypes.c_char_p * len(names)
        program = ctypes.c_void_p()
        self.call(
            "nvrtcCreateProgram", ctypes.byref(program), text, source.encode(), len(names),
            strings(*contents), strings(*names),
        )  # fmt: skip
        # Headers that host and device share declare functions of the host, too.
        options = [f"--gpu-architecture={architecture}", "--std=c++17", "--device-as-default-execution-space"]
        options += [f"--include-path={path}" for path in includes]
        encoded = [option.encode() for option in options]
        try:
            self.call("nvrtcCompileProgram", program, len(encoded), (ctypes.c_char_p * len(encoded))(*encoded))
        except RuntimeError as failure:
            raise RuntimeError(f"{failure}\n{self.text_of(program, 'ProgramLog').decode()}") from None
        return self.text_of(program, "PTX").rstrip(b"\0") if is_virtual(architecture) else self.text_of(program, "CUBIN")


def is_virtual(architecture):
    return architecture.startswith("compute_")


def main():
    library, source, folder, *rest = sys.argv[1:]
    split = rest.index("--")
    nvrtc = Nvrtc(library)
    for architecture in rest[split + 1 :]:
        image = nvrtc.compile(source, rest[:split], architecture)
        kind = "ptx" if is_virtual(architecture) else "cubin"
        with open(os.path.join(folder, f"{architecture}.{kind}"), "wb") as file:
            file.write(image)


main()
