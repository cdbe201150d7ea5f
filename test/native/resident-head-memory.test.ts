import { freemem } from 'node:os';
import { expect, test } from 'vitest';
import { builtPackage, runModule } from './built-package.js';

const CLASSES = 1_000_000;
const DIM = 512;
const MIB = 2 ** 20;
const WEIGHTS = 4 * CLASSES * DIM;
/** The workspace's budget, and Node with the binary and a chunk of weights in the making. */
const OTHERS = 64 * MIB + 120 * MIB;

const BATCH = `
  const labels = Int32Array.from({ length: 4 }, (_, i) => i * 250_000);
  const embeddings = Float32Array.from({ length: 4 * ${DIM} }, (_, k) => Math.sin(k));
  const batch = { embeddings, labels, m3: 0.35 };
  const rows = Float32Array.from({ length: 1000 * ${DIM} }, (_, k) => Math.cos(k * k));`;

const peak = 'console.log(process.resourceUsage().maxRSS * 1024);';

function peakOf(text: string): number {
  const { stdout, stderr, status } = runModule(
    `import { marginSoftmax, ResidentHead } from '${builtPackage()}';\n${BATCH}\n${text}\n${peak}`,
  );
  expect(status, stderr).toBe(0);
  return Number(stdout);
}

const stepOf = (momentum: number): string => `
  const optimizer = { kind: 'sgd', momentum: ${momentum} };
  const head = new ResidentHead({ classes: ${CLASSES}, dim: ${DIM}, optimizer, weights: 'zeros' });
  for (let first = 0; first < ${CLASSES}; first += 1000) head.write(rows, first);
  head.step({ ...batch, learningRate: 0.1 });`;

// Without momentum: w alone, where the other way has w and its gradient.
const plain = `
  const weights = new Float32Array(${CLASSES} * ${DIM});
  for (let first = 0; first < ${CLASSES}; first += 1000) weights.set(rows, first * ${DIM});
  marginSoftmax({ ...batch, weights, dim: ${DIM}, gradients: true, device: 'cpu' });`;

test.skipIf(freemem() < 7e9)(
  'a step at C = 1M, D = 512: w, its state and the budget, and dw nowhere',
  () => {
    const head = peakOf(stepOf(0));
    expect(head).toBeGreaterThan(WEIGHTS);
    expect(head).toBeLessThan(WEIGHTS + OTHERS);
    expect(peakOf(stepOf(0.9))).toBeLessThan(2 * WEIGHTS + OTHERS);
    const returned = peakOf(plain);
    expect(returned).toBeGreaterThan(2 * WEIGHTS);
    expect(head).toBeLessThan(0.6 * returned);
    const spelled = [head, returned].map((bytes) => Math.round(bytes / MIB));
    console.log(`peak memory at C = 1M, D = 512, in MiB: head ${spelled[0]}, gradients returned ${spelled[1]}`);
  },
  400_000,
);
