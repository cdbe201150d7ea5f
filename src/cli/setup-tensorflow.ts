import { Command } from 'commander';
import { tfjsNodeCompatAdvice } from '../kernels/tfjs-node-compat-advice.js';
import { terminalProgress } from './setup-tensorflow/progress.js';
import { type SetupResult, setUpTensorflow } from './setup-tensorflow/setup.js';
import { DEFAULT_TENSORFLOW_VERSION, TFJS_NODE_VERSION } from './setup-tensorflow/wheels.js';
import { writeJson } from './write-json.js';

interface SetupFlags {
  gpu?: boolean;
  dir: string;
  tensorflowVersion: string;
  wheel?: string;
  force?: boolean;
  json?: string;
}

/** `cosface setup-tensorflow`. */
export function setupTensorflowCommand(): Command {
  return new Command('setup-tensorflow')
    .description(
      `make a working @tensorflow/tfjs-node ${TFJS_NODE_VERSION} from the TensorFlow wheel of the Python package index`,
    )
    .option('--gpu', 'set up @tensorflow/tfjs-node-gpu with the GPU wheel')
    .option('--dir <directory>', 'the project whose node_modules to use', '.')
    .option('--tensorflow-version <version>', 'version of the wheel, 2.12.1 or later', DEFAULT_TENSORFLOW_VERSION)
    .option('--wheel <file>', 'use this wheel and download nothing')
    .option('--force', 'do every stage again, even if it is done')
    .option('--json <file>', "write the result as JSON; '-' is standard output")
    .addHelpText(
      'after',
      `
Needs Linux with glibc on x64 or arm64, Python 3.9 or later with pip, make, a C++17 compiler, and about 1.2 GB of disk.
Wheels are kept in $COSFACE_CACHE, else in cosface/ below the user's cache folder. A run that was interrupted is
continued by the next one.`,
    )
    .action(async (flags: SetupFlags) => {
      const result = await setUpTensorflow({
        projectDirectory: flags.dir,
        gpu: flags.gpu ?? false,
        tensorflowVersion: flags.tensorflowVersion,
        wheel: flags.wheel,
        force: flags.force ?? false,
        progress: terminalProgress(),
      });
      if (flags.json !== '-') console.log(summary(result));
      if (flags.json !== undefined) writeJson(flags.json, result);
    });
}

function summary({
  package: name,
  tfjsNode,
  tensorflow,
  directory,
  usesGpu,
  wasReady,
  needsCompat,
}: SetupResult): string {
  const state = wasReady ? 'is ready; nothing to do' : 'is ready';
  const device = usesGpu ? 'GPU' : 'CPU';
  const lines = [`${name} ${tfjsNode} with TensorFlow ${tensorflow} (${device}) ${state}.`, `  in ${directory}`];
  if (needsCompat) lines.push(tfjsNodeCompatAdvice());
  return lines.join('\n');
}
