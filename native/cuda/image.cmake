# cosface_cuda_image(TARGET): compiles the kernels by nvcc to one fatbin and has image.cc of TARGET embed it; or embeds
# the fatbin that COSFACE_CUDA_IMAGE names (scripts/cuda-nvrtc.mjs makes one that older drivers take).
#
# Only nvcc is wanted, no CUDA language of CMake's, which would link a test program against cudart. It is looked for in
# COSFACE_NVCC, $CUDA_HOME, $CUDA_PATH, PATH, and where `npm run setup:cuda` puts it (scripts/cuda-toolkit.mjs).

set(COSFACE_CUDA_DIR ${CMAKE_CURRENT_LIST_DIR})
set(COSFACE_CUDA_OLDEST 12.4)
# Blackwell, data centre and desktop.
set(COSFACE_CUDA_OLDEST_FOR_100_AND_120 12.8)

function(cosface_find_nvcc)
  find_program(COSFACE_NVCC nvcc
    HINTS ENV CUDA_HOME ENV CUDA_PATH
    PATHS ${COSFACE_CUDA_DIR}/../../build-tools/cuda /usr/local/cuda
    PATH_SUFFIXES bin
    DOC "The CUDA compiler")
  if(NOT COSFACE_NVCC)
    message(FATAL_ERROR "COSFACE_CUDA is ON and nvcc is missing: run `npm run setup:cuda`, or name a toolkit of "
      "${COSFACE_CUDA_OLDEST} or later by CUDA_HOME or -DCOSFACE_NVCC=FILE")
  endif()
  execute_process(COMMAND ${COSFACE_NVCC} --version OUTPUT_VARIABLE text RESULT_VARIABLE status)
  if(NOT status EQUAL 0 OR NOT text MATCHES "release ([0-9]+)\\.([0-9]+)")
    message(FATAL_ERROR "${COSFACE_NVCC} --version gave ${status}: ${text}")
  endif()
  set(version ${CMAKE_MATCH_1}.${CMAKE_MATCH_2})
  if(version VERSION_LESS COSFACE_CUDA_OLDEST)
    message(FATAL_ERROR "${COSFACE_NVCC} is of CUDA ${version}, wanted ${COSFACE_CUDA_OLDEST} or later: run "
      "`npm run setup:cuda` and give -DCOSFACE_NVCC=build-tools/cuda/bin/nvcc")
  endif()
  math(EXPR number "1000 * ${CMAKE_MATCH_1} + 10 * ${CMAKE_MATCH_2}")
  set(COSFACE_CUDA_TOOLKIT ${number} PARENT_SCOPE)
  set(architectures 80 90)
  if(NOT version VERSION_LESS COSFACE_CUDA_OLDEST_FOR_100_AND_120)
    list(APPEND architectures 100 120)
  endif()
  set(COSFACE_CUDA_ARCHITECTURES ${architectures} PARENT_SCOPE)
  message(STATUS "CUDA ${version}, ${COSFACE_NVCC}, architectures ${architectures}")
endfunction()

# Compiles one source to one fatbin; sets what image.cc is told of it.
function(cosface_compile_fatbin fatbin source)
  cosface_find_nvcc()
  set(generate)
  set(names)
  foreach(architecture IN LISTS COSFACE_CUDA_ARCHITECTURES)
    list(APPEND generate -gencode arch=compute_${architecture},code=sm_${architecture})
    string(APPEND names "sm_${architecture} ")
  endforeach()
  # An image serves later minor versions of its major version too, so that the PTX is for what lies beyond.
  list(APPEND generate -gencode arch=compute_90,code=compute_90)
  get_filename_component(folder ${source} DIRECTORY)
  file(GLOB sources CONFIGURE_DEPENDS ${COSFACE_CUDA_DIR}/*.h ${folder}/*)
  add_custom_command(
    OUTPUT ${fatbin}
    COMMAND ${COSFACE_NVCC} -fatbin -std=c++17 -O3 --threads 0 -Werror all-warnings
      -I${COSFACE_CUDA_DIR}/.. -I${COSFACE_CUDA_DIR}/../include ${generate} -o ${fatbin} ${source}
    DEPENDS ${sources} ${COSFACE_NVCC}
    COMMENT "${source} for ${names}and PTX"
    VERBATIM)
  set(COSFACE_CUDA_TOOLKIT ${COSFACE_CUDA_TOOLKIT} PARENT_SCOPE)
  set(COSFACE_CUDA_NAMES "${names}and PTX of compute_90" PARENT_SCOPE)
endfunction()

function(cosface_cuda_image target)
  if(COSFACE_CUDA_IMAGE)
    if(NOT COSFACE_CUDA_IMAGE_TOOLKIT OR NOT COSFACE_CUDA_IMAGE_NAMES)
      message(FATAL_ERROR "COSFACE_CUDA_IMAGE wants COSFACE_CUDA_IMAGE_TOOLKIT (12090 for 12.9) and "
        "COSFACE_CUDA_IMAGE_NAMES beside it: scripts/cuda-nvrtc.mjs prints all three")
    endif()
    set(image ${COSFACE_CUDA_IMAGE})
    set(COSFACE_CUDA_TOOLKIT ${COSFACE_CUDA_IMAGE_TOOLKIT})
    set(COSFACE_CUDA_NAMES "${COSFACE_CUDA_IMAGE_NAMES}")
  else()
    set(image ${CMAKE_CURRENT_BINARY_DIR}/cosface_cuda.fatbin)
    cosface_compile_fatbin(${image} ${COSFACE_CUDA_DIR}/kernels/kernels.cu)
  endif()
  set_source_files_properties(${COSFACE_CUDA_DIR}/image.cc PROPERTIES
    OBJECT_DEPENDS ${image}
    COMPILE_DEFINITIONS "COSFACE_CUDA_IMAGE=\"${image}\";COSFACE_CUDA_IMAGE_TOOLKIT=${COSFACE_CUDA_TOOLKIT};COSFACE_CUDA_IMAGE_ARCHITECTURES=\"${COSFACE_CUDA_NAMES}\"")
endfunction()
