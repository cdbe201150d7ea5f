# node-gyp's build, the default. CMakeLists.txt is the same build for cmake-js; test/build/source-lists.test.ts holds
# the two source lists together. Not in the npm tarball: npm would compile on install wherever it sees this file.
{
  'targets': [
    {
      'target_name': 'cosface',
      'sources': [
        'native/addon/addon.cc',
        'native/addon/call_arguments.cc',
        'native/addon/cuda_info.cc',
        'native/addon/cuda_library.cc',
        'native/addon/js_error.cc',
        'native/addon/margin_softmax_call.cc',
        'native/addon/margin_softmax_job.cc',
        'native/addon/margin_softmax_run.cc',
        'native/addon/resident_weights.cc',
        'native/addon/search_job.cc',
        'native/addon/search_work.cc',
        'native/cpu/check.cc',
        'native/cpu/cosine_search.cc',
        'native/cpu/environment.cc',
        'native/cpu/exact_cosine.cc',
        'native/cpu/exact_sums.cc',
        'native/cpu/finish_rows.cc',
        'native/cpu/fma_loops.cc',
        'native/cpu/isa.cc',
        'native/cpu/job.cc',
        'native/cpu/kernels/avx2.cc',
        'native/cpu/kernels/avx512.cc',
        'native/cpu/kernels/avx512_bf16.cc',
        'native/cpu/kernels/neon.cc',
        'native/cpu/kernels/scalar.cc',
        'native/cpu/machine_rates.cc',
        'native/cpu/margin_softmax.cc',
        'native/cpu/pass_1.cc',
        'native/cpu/pass_2.cc',
        'native/cpu/plan.cc',
        'native/cpu/prepare_rows.cc',
        'native/cpu/score_strip.cc',
        'native/cpu/search_plan.cc',
        'native/cpu/search_sweep.cc',
        'native/cpu/search_users.cc',
        'native/cpu/thread_team.cc',
        'native/cpu/workspace.cc',
        'native/reference/margin.cc',
        'native/tensorflow/margin_softmax_op.cc',
        'native/tensorflow/tensorflow_api.cc',
      ],
      'include_dirs': [
        'native',
        'native/include',
        '<!(node -p "require(\'node-addon-api\').include_dir")',
      ],
      # The last: a job that ends in a worker that is being terminated can throw nothing into JavaScript any more;
      # without it node-addon-api aborts the process (test/native/worker-threads.test.ts).
      'defines': ['NAPI_VERSION=9', 'NAPI_CPP_EXCEPTIONS', 'NODE_ADDON_API_DISABLE_DEPRECATED',
                  'NODE_API_SWALLOW_UNTHROWABLE_EXCEPTIONS'],
      # node's common.gypi sets its own standard and switches exceptions and RTTI off.
      'cflags_cc!': ['-fno-exceptions', '-fno-rtti', '-std=gnu++17', '-std=gnu++20'],
      'cflags_cc': ['-std=c++20', '-O3', '-Wall', '-Wextra', '-Werror', '-fvisibility=hidden',
                    '-fvisibility-inlines-hidden'],
      'conditions': [
        ['OS=="linux"', {
          'cflags_cc': ['-pthread'],
          'ldflags': ['-pthread', '-static-libstdc++', '-static-libgcc', '-Wl,--exclude-libs,ALL'],
          'libraries': ['-ldl'],
        }],
        ['OS=="mac"', {
          'xcode_settings': {
            'CLANG_CXX_LANGUAGE_STANDARD': 'c++20',
            'CLANG_CXX_LIBRARY': 'libc++',
            'GCC_ENABLE_CPP_EXCEPTIONS': 'YES',
            'GCC_ENABLE_CPP_RTTI': 'YES',
            'GCC_OPTIMIZATION_LEVEL': '3',
            'GCC_SYMBOLS_PRIVATE_EXTERN': 'YES',
            'MACOSX_DEPLOYMENT_TARGET': '11.0',
            'WARNING_CFLAGS': ['-Wall', '-Wextra', '-Werror'],
          },
        }],
        ['OS=="win"', {
          'defines': ['NOMINMAX', '_HAS_EXCEPTIONS=1'],
          'msvs_settings': {
            'VCCLCompilerTool': {
              'AdditionalOptions': ['/std:c++20', '/utf-8'],
              'ExceptionHandling': 1,
              'WarnAsError': 'true',
              'WarningLevel': 3,
            },
          },
        }],
      ],
    },
  ],
}
