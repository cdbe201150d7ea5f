import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { tfjsNodeCompatAdvice } from '../../kernels/tfjs-node-compat-advice.js';
import { type BackendInfo, backendInfo } from '../../native/backend-info.js';
import { CosFaceError } from '../../native/errors.js';
import { marginSoftmax } from '../../native/margin-softmax.js';
import { bindingFolder } from '../setup-tensorflow/build-binding.js';
import { findPackage, type PackageName } from '../setup-tensorflow/find-package.js';
import { probeTensorflow, type TensorflowProbe } from '../setup-tensorflow/probe-tensorflow.js';
import { TFJS_NODE_VERSION } from '../setup-tensorflow/wheels.js';

export interface Problem {
  problem: string;
  remedy: string;
}

export interface PackageFinding {
  name: PackageName;
  state: 'absent' | 'broken' | 'ready';
  directory?: string;
  version?: string;
  probe?: TensorflowProbe;
}

export interface Diagnosis {
  /** The native kernels compute what they should. */
  ok: boolean;
  core: BackendInfo;
  packages: PackageFinding[];
  problems: Problem[];
}

const PACKAGES: readonly PackageName[] = ['@tensorflow/tfjs-node', '@tensorflow/tfjs-node-gpu'];

/** Looks at the addon in this process, and at each tfjs-node package of a project in a process of its own. */
export async function diagnose(projectDirectory: string): Promise<Diagnosis> {
  const problems: Problem[] = [];
  const core = backendInfo();
  const ok = checkCore(core, problems);
  const packages: PackageFinding[] = [];
  for (const name of PACKAGES) packages.push(await inspectPackage(projectDirectory, name, core.binary, problems));
  if (packages.some(({ probe }) => probe?.needsCompat)) {
    const [problem = '', ...remedy] = tfjsNodeCompatAdvice().split('\n');
    problems.push({ problem, remedy: remedy.map((line) => line.trim()).join(' ') });
  }
  return { ok, core, packages, problems };
}

function checkCore(core: BackendInfo, problems: Problem[]): boolean {
  if (core.binary === null) {
    problems.push({ problem: core.reasons.join('\n'), remedy: 'npx cosface build' });
    return false;
  }
  const devices = core.cuda.available ? (['cpu', 'cuda'] as const) : (['cpu'] as const);
  const found = devices.map((device) => ({ device, problem: wrongLoss(device) }));
  for (const { device, problem } of found)
    if (problem !== undefined)
      problems.push({
        problem: `on ${device}: ${problem}`,
        remedy: 'rebuild it (npx cosface build); if that does not help, report it',
      });
  return found.every(({ problem }) => problem === undefined);
}

/** x = w_0, and w_1 at a right angle: the loss is log(1 + e^-1). */
function wrongLoss(device: 'cpu' | 'cuda'): string | undefined {
  try {
    const { loss } = marginSoftmax({
      embeddings: Float32Array.of(1, 0),
      weights: Float32Array.of(1, 0, 0, 1),
      labels: Int32Array.of(0),
      dim: 2,
      scale: 1,
      device,
    });
    const expected = Math.log1p(Math.exp(-1));
    const came = loss[0] ?? Number.NaN;
    return Math.abs(came - expected) < 1e-6 ? undefined : `the addon computes ${came} where ${expected} is right`;
  } catch (error) {
    if (error instanceof CosFaceError) return error.message;
    throw error;
  }
}

async function inspectPackage(
  projectDirectory: string,
  name: PackageName,
  addonPath: string | null,
  problems: Problem[],
): Promise<PackageFinding> {
  const found = findPackage(projectDirectory, name);
  if (!found) return { name, state: 'absent' };
  const { directory, version } = found;
  const remedy = `npx cosface setup-tensorflow${name.endsWith('-gpu') ? ' --gpu' : ''}`;
  if (version !== TFJS_NODE_VERSION) {
    problems.push({
      problem: `${name} is ${version}; cosface is made for ${TFJS_NODE_VERSION}`,
      remedy: `npm install --ignore-scripts ${name}@${TFJS_NODE_VERSION}, then ${remedy}`,
    });
  }
  if (!existsSync(join(bindingFolder(directory), 'tfjs_binding.node'))) {
    problems.push({ problem: `${name} is installed without its native binding`, remedy });
    return { name, state: 'broken', directory, version };
  }
  const probe = await probeTensorflow(directory, addonPath ?? undefined);
  if ('error' in probe) {
    problems.push({ problem: `${name} cannot be loaded: ${probe.error}`, remedy });
    return { name, state: 'broken', directory, version };
  }
  if (probe.op && 'error' in probe.op) {
    problems.push({
      problem: `the op cannot be registered with ${name}: ${probe.op.error}`,
      remedy: `${remedy} --force; until then the loss runs as composed operations on that backend`,
    });
  }
  if (probe.usesGpu && probe.op && 'devices' in probe.op && !probe.op.devices.includes('GPU')) {
    problems.push({
      problem: `${name} uses a GPU, but the op runs on the CPU there: ${probe.op.gpuReason}`,
      remedy: 'see the line on CUDA above; until then TensorFlow copies the tensors of each call to the CPU and back',
    });
  }
  return { name, state: 'ready', directory, version, probe };
}
