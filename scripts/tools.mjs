// Finds the programs that this project does not bring along.
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';

function answers(program, args = ['--version']) {
  return spawnSync(program, args, { stdio: 'ignore', shell: process.platform === 'win32' }).status === 0;
}

function firstThatAnswers(programs) {
  return programs.find((program) => program && answers(program));
}

/** node-gyp's generator needs Python; undefined where there is none. */
export function findPython() {
  return firstThatAnswers([process.env.npm_config_python, process.env.PYTHON, 'python3', 'python']);
}

export function findCmake() {
  return firstThatAnswers(['cmake']);
}

/** Windows has its compiler outside PATH; node-gyp and CMake find it themselves. */
export function findCompiler() {
  return process.platform === 'win32' ? 'MSVC' : firstThatAnswers([process.env.CXX, 'c++', 'g++', 'clang++']);
}

export function findMake() {
  return process.platform === 'win32' ? 'MSBuild' : firstThatAnswers(['make', 'gmake']);
}

/** What the fuzz targets (native/test/fuzz) want and this machine lacks, in words. */
export function missingForFuzzing() {
  if (!findCmake()) return 'CMake is missing (Debian, Ubuntu: cmake)';
  if (!answers('clang++')) return 'clang++ is missing (Debian 12: clang libclang-rt-14-dev)';
  // libFuzzer is a package of its own.
  const program = 'extern "C" int LLVMFuzzerTestOneInput(const unsigned char*, unsigned long) { return 0; }';
  const args = ['-fsanitize=fuzzer,address', '-x', 'c++', '-', '-o', '/dev/null'];
  const { status } = spawnSync('clang++', args, { input: program, stdio: ['pipe', 'ignore', 'ignore'] });
  return status === 0 ? undefined : "clang's libFuzzer is missing (Debian 12: libclang-rt-14-dev)";
}

/** What the C++ tests for 64-bit Arm (native/test/aarch64.cmake) want and this machine lacks, in words. */
export function missingForAarch64() {
  const wanted = { 'aarch64-linux-gnu-g++': 'g++-aarch64-linux-gnu', 'qemu-aarch64': 'qemu-user' };
  const missing = Object.keys(wanted).filter((program) => !answers(program));
  if (missing.length === 0) return undefined;
  const packages = missing.map((program) => wanted[program]).join(' ');
  return `${missing.join(' and ')} ${missing.length > 1 ? 'are' : 'is'} missing (Debian, Ubuntu: ${packages})`;
}

/** Where Node's headers are: named by the user's npm settings, or installed along with this Node. */
export function findNodeHeaders() {
  if (process.env.npm_config_nodedir) return process.env.npm_config_nodedir;
  const prefix = dirname(dirname(process.execPath));
  return existsSync(join(prefix, 'include', 'node', 'node_api.h')) ? prefix : undefined;
}
