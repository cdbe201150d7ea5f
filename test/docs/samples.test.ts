import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { emulatedGpu } from '../cuda/emulated-gpu.js';
import { root } from '../native/built-package.js';
import { type CodeSample, codeSamples, DOCUMENTS } from './code-samples.js';
import { hasRealPhotos, writeSampleFiles } from './sample-files.js';

// Inside the package, so that `cosface` is this one, by its own exports.
const folder = join(root, 'build-test', 'docs');
const samples = DOCUMENTS.flatMap(codeSamples).filter(({ language }) => language === 'ts');
const moduleOf = ({ document, line }: CodeSample) => `${document.replace(/\W/g, '-')}-${line}`;

const COMPILER_OPTIONS = {
  ...{ module: 'nodenext', target: 'es2022', lib: ['es2022', 'esnext.disposable', 'dom'], types: ['node'] },
  ...{ strict: true, noUncheckedIndexedAccess: false, skipLibCheck: true, rootDir: '.', outDir: 'out' },
};

function compileSamples(): string {
  for (const sample of samples) writeFileSync(join(folder, `${moduleOf(sample)}.mts`), sample.code);
  const config = { compilerOptions: COMPILER_OPTIONS, include: ['*.mts'] };
  writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify(config));
  const tsc = join(root, 'node_modules', 'typescript', 'bin', 'tsc');
  return spawnSync(process.execPath, [tsc, '-p', folder], { encoding: 'utf8' }).stdout;
}

let complaints: string;
beforeAll(async () => {
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  await writeSampleFiles(folder);
  complaints = compileSamples();
}, 120_000);

test('every sample is a whole module of right types', () => {
  expect(samples.length).toBeGreaterThanOrEqual(12);
  expect(complaints).toBe('');
});

/** Where a sample cannot run: on a machine without what it is about. */
function isMissing({ code }: CodeSample): boolean {
  if (code.includes("'cuda'") || code.includes('ResidentWeights')) return !Object.values(emulatedGpu).every(existsSync);
  return code.includes('loadFaceDetector') && !hasRealPhotos;
}

const preload = Number(process.versions.node.split('.')[0]) >= 23 ? ['--import', 'cosface/tfjs-node-compat'] : [];

describe.each(samples)('$document:$line', (sample) => {
  test.skipIf(isMissing(sample))('runs as it stands', { timeout: 300_000 }, () => {
    const program = join('out', `${moduleOf(sample)}.mjs`);
    const env = { ...process.env, ...emulatedGpu, VITEST: '', COSFACE_DEVICE: '' };
    const { status, stderr } = spawnSync(process.execPath, [...preload, program], {
      cwd: folder,
      encoding: 'utf8',
      env,
    });
    expect(status, stderr).toBe(0);
  });
});
