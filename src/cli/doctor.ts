import { Command } from 'commander';
import type { CudaInfo } from '../native/addon.js';
import { type Diagnosis, diagnose } from './doctor/diagnose.js';
import type { TensorflowProbe } from './setup-tensorflow/probe-tensorflow.js';
import { writeJson } from './write-json.js';

/** `cosface doctor`. */
export function doctorCommand(): Command {
  return new Command('doctor')
    .description('tell what runs here, what does not, and what to do about it')
    .option('--dir <directory>', 'the project whose node_modules to look at', '.')
    .option('--json <file>', "write the findings as JSON; '-' is standard output")
    .addHelpText('after', '\nExits with 0 if the native kernels work, with or without TensorFlow, and with 1 if not.')
    .action(async ({ dir, json }: { dir: string; json?: string }) => {
      const diagnosis = await diagnose(dir);
      if (json !== '-') console.log(report(diagnosis));
      if (json !== undefined) writeJson(json, diagnosis);
      if (!diagnosis.ok) process.exitCode = 1;
    });
}

function report({ ok, core, packages, problems }: Diagnosis): string {
  const lines = [
    `cosface   ${core.version} on Node ${core.node}, ${core.platform}`,
    `binary    ${core.binary ?? 'none'}`,
    ...(core.isa
      ? [`          instruction set ${core.isa} of ${core.isas.join(', ')}; bf16 products ${core.bf16}`]
      : []),
    ...(core.isa ? [`          ${core.threads} threads`] : []),
    `CUDA      ${gpu(core.cuda)}`,
    ...packages.map((found) => `${found.name.padEnd(28)}${found.state}${detail(found)}`),
    '',
    ok ? 'The native kernels work.' : 'The native kernels do not work.',
    ...problems.flatMap(({ problem, remedy }) => ['', `! ${problem}`, `  Remedy: ${remedy}`]),
  ];
  return lines.join('\n');
}

function gpu(cuda: CudaInfo): string {
  if (!cuda.available) return `none: ${cuda.reason}`;
  const gibibytes = (bytes: number) => `${(bytes / 2 ** 30).toFixed(1)} GiB`;
  return [
    `${cuda.device} of ${cuda.devices}: ${cuda.name}, ${cuda.architecture}, ${cuda.multiprocessors} multiprocessors`,
    `${gibibytes(cuda.freeBytes)} of ${gibibytes(cuda.memoryBytes)} free; driver for CUDA ${cuda.driver} (${cuda.driverFile})`,
    `kernels for ${cuda.kernels || 'emulation'}`,
  ].join('\n          ');
}

function detail({ probe }: Diagnosis['packages'][number]): string {
  if (!probe) return '';
  return `: TensorFlow ${probe.tensorflow} (${probe.usesGpu ? 'GPU' : 'CPU'}), op ${opState(probe)}`;
}

function opState({ op }: TensorflowProbe): string {
  if (op === undefined) return 'unknown';
  return 'error' in op ? 'refused' : `for ${op.devices.join(' and ')}`;
}
