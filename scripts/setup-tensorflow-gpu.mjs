// `npm run setup:tensorflow-gpu`: tfjs-node-gpu with the TensorFlow that was built for GPUs, for the tests of the op. In a
// folder of its own, .tensorflow-gpu/, because of its size: 572 MB to download, 1.5 GB on disk. Needs the built command.
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { root, run, step } from './steps.mjs';

const FOLDER = '.tensorflow-gpu';

export function setUpTensorflowGpu() {
  const manifest = join(root, FOLDER, 'package.json');
  mkdirSync(join(root, FOLDER), { recursive: true });
  // Without it npm would install into the repository itself.
  if (!existsSync(manifest)) writeFileSync(manifest, '{ "name": "tensorflow-gpu", "private": true }\n');
  run('node', ['dist/cli/main.js', 'setup-tensorflow', '--gpu', '--dir', FOLDER]);
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) {
  await step('tfjs-node-gpu (cosface setup-tensorflow --gpu)', setUpTensorflowGpu);
}
