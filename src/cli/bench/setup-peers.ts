import { existsSync, mkdirSync, renameSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { Command } from 'commander';
import { peerFiles, peersFolder, peersPython } from '../../../bench/loss/peers-folder.js';
import { lastLines, runCommand } from '../run-command.js';
import { requireDiskSpace } from '../setup-tensorflow/disk-space.js';
import { findPython, type Python } from '../setup-tensorflow/find-tools.js';
import { removeFolder, scratchFolder } from '../setup-tensorflow/scratch-folder.js';
import { setupError } from '../setup-tensorflow/setup-error.js';

/** What the environment takes on Linux x64, where PyTorch's wheel brings CUDA's libraries along. */
const ENVIRONMENT_BYTES = 4.3e9;
/** The least Python that the pinned NumPy and SciPy have wheels for. */
const LEAST_PYTHON_MINOR = 11;

/** `cosface bench setup-peers`. */
export function setupPeersCommand(): Command {
  return new Command('setup-peers')
    .description('install PyTorch and pytorch-metric-learning for the benchmark, in a Python environment of their own')
    .addHelpText(
      'after',
      `
Needs Python 3.${LEAST_PYTHON_MINOR} or later with venv and pip, and 4 GB of disk: the environment goes into
$COSFACE_CACHE, else cosface/ below the user's cache folder. PYTHON names another Python. pip's own settings hold:
PIP_EXTRA_INDEX_URL=https://download.pytorch.org/whl/cpu may save 3 GB.`,
    )
    .action(async () => {
      const ready = peersPython();
      if (!ready) await setUpPeers();
      console.log(`${ready ? 'The peers are ready; nothing to do.' : 'The peers are ready.'}\n  in ${peersFolder()}`);
    });
}

/** Builds the environment beside its place and moves it there when it works: a Python in that place is a whole one. */
async function setUpPeers(): Promise<void> {
  const python = await findPython();
  requirePython(python);
  const place = peersFolder();
  mkdirSync(dirname(place), { recursive: true });
  requireDiskSpace(dirname(place), ENVIRONMENT_BYTES, 'the peers of the benchmark');
  const scratch = scratchFolder(dirname(place), 'peers-setup');
  try {
    await step('make a virtual environment', python.path, ['-m', 'venv', scratch]);
    const inside = join(scratch, 'bin', 'python');
    console.error(`Installing PyTorch and pytorch-metric-learning: some 3 GB to download.`);
    await step('install the peers', inside, [
      ...['-m', 'pip', 'install', '--quiet', '--no-input', '--disable-pip-version-check', '--no-cache-dir'],
      ...['--no-deps', '--no-compile', '--requirement', peerFiles().requirements],
    ]);
    await step('import the peers', inside, ['-c', 'import torch, pytorch_metric_learning.losses']);
    if (!existsSync(place)) renameSync(scratch, place);
  } finally {
    removeFolder(scratch);
  }
}

function requirePython({ path, version }: Python): void {
  if (Number(version.split('.')[1]) >= LEAST_PYTHON_MINOR) return;
  throw setupError(
    `${path} is Python ${version}; the pinned peers need 3.${LEAST_PYTHON_MINOR} or later. Install one, or name one in PYTHON.`,
  );
}

async function step(what: string, program: string, args: string[]): Promise<void> {
  const { status, stdout, stderr } = await runCommand(program, args);
  if (status === 0) return;
  throw setupError(
    `could not ${what} (${program} ended with status ${status}):\n${lastLines(stdout + stderr, 6)}\n` +
      'Check Python (Debian: apt install python3-venv) and the package index (pip config list).',
  );
}
