import { expect, test } from 'vitest';
import { faultOf } from '../../bench/loss/fault-of.js';
import { memoryNeed } from '../../bench/loss/memory-need.js';
import { peerEnvironment, rowEnvironment } from '../../bench/loss/row-environment.js';
import { BACKENDS, flopsOf, type LossRow, resultBytes, rowOf } from '../../bench/loss/rows.js';
import { SUITES, shapeContest, suiteContests } from '../../bench/loss/suites.js';

const shape = { batch: 512, classes: 10575, dim: 512 };
const kernel = { isa: 'avx2', isas: ['scalar', 'avx2'], threads: 8 };
const summary = (rows: LossRow[]) => rows.map(({ name, isa, threads }) => [name, isa, threads]);

test('the typed-array API: the default first, what it can be asked for, every instruction set, one thread', () => {
  expect(summary(shapeContest(shape, ['native'], kernel))).toEqual([
    ['native gradients', 'auto', 'all'],
    ['native gradients', 'auto', 1],
    ['native gradients, in place', 'auto', 'all'],
    ['native gradients, bf16-gradients, in place', 'auto', 'all'],
    ['native gradients, bf16, in place', 'auto', 'all'],
    ['native gradients, budget 0, in place', 'auto', 'all'],
    ['native gradients, in place, trained state', 'auto', 'all'],
    ['native gradients, in place, trained state, tolerance 0.001', 'auto', 'all'],
    ['native forward', 'auto', 'all'],
    ['native forward', 'auto', 1],
    ['native gradients', 'scalar', 'all'],
    ['native gradients', 'scalar', 1],
    ['native gradients', 'auto', 'all'],
  ]);
});

test('no row twice: one processor, or COSFACE_ISA at something else than the best', () => {
  const rows = shapeContest(shape, ['native'], { ...kernel, isa: 'scalar', threads: 1 });
  expect(rows.every(({ threads }) => threads === 'all')).toBe(true);
  expect(rows.filter(({ isa }) => isa !== 'auto').map(({ isa }) => isa)).toEqual(['avx2']);
});

test('a backend: the kernel against the bare products, the composed ops and what users write', () => {
  const rows = shapeContest(shape, ['tensorflow'], kernel);
  expect(rows.map(({ name, classes, overhead }) => [name, classes, overhead])).toEqual([
    ['native gradients', 10575, false],
    ['matmuls gradients', 10575, false],
    ['matmuls forward', 10575, false],
    ['composed gradients', 10575, false],
    ['plain gradients', 10575, false],
    ['native gradients', 3, true],
    ['composed gradients', 3, true],
    ['plain gradients', 3, true],
  ]);
});

test('the peers: each as installed and with tuned malloc; what has no margin gets none', () => {
  const rows = shapeContest(shape, ['pytorch'], kernel);
  expect(rows.map(({ name, margin }) => [name, margin])).toEqual([
    ['eager gradients', 0.35],
    ['eager gradients, tuned malloc', 0.35],
    ['compile gradients', 0.35],
    ['compile gradients, tuned malloc', 0.35],
    ['linear-cross-entropy gradients, early state, margin 0', 0],
    ['linear-cross-entropy gradients, early state, margin 0, tuned malloc', 0],
    ['metric-learning gradients', 0.35],
    ['metric-learning gradients, tuned malloc', 0.35],
  ]);
  const environments = rows.map(peerEnvironment);
  expect(environments[0]).toEqual({});
  expect(environments[1]).toEqual({
    MALLOC_MMAP_THRESHOLD_: '8589934592',
    MALLOC_TRIM_THRESHOLD_: '17179869184',
    MALLOC_TOP_PAD_: '268435456',
  });
});

test('the suites cover the shapes that goals are set for, and no row is twice in a contest', () => {
  const shapes = (name: (typeof SUITES)[number]) =>
    suiteContests(name, BACKENDS, kernel).map((rows) => [...new Set(rows.map((row) => `${row.batch} ${row.classes}`))]);
  expect(shapes('shapes')).toEqual([['512 10575', '4 3'], ['512 100000'], ['128 10575'], ['1024 93431']]);
  expect(shapes('scaling')).toEqual([['512 10000', '512 31623', '512 100000', '512 316228', '512 1000000']]);
  expect(shapes('search')).toEqual([['3530 1000000', '3530 65536']]);
  expect(shapes('matrix').flat()).toHaveLength(20);
  for (const suite of SUITES)
    for (const rows of suiteContests(suite, BACKENDS, kernel)) {
      const keys = rows.map(
        ({ name, backend, isa, threads, classes }) => `${name} ${backend} ${isa} ${threads} ${classes}`,
      );
      expect(new Set(keys).size).toBe(rows.length);
    }
});

test('a suite without the backends of a contest has no such contest', () => {
  expect(suiteContests('scaling', ['tensorflow'], kernel)).toEqual([]);
});

test('the environment of a row: the kernel or nothing, never the kernel, an instruction set of its own', () => {
  const environment = (given: Partial<LossRow>) => rowEnvironment(rowOf(shape, given));
  expect(environment({ backend: 'cpu' })['COSFACE_BACKEND']).toBe('native');
  expect(environment({ method: 'topK' })['COSFACE_BACKEND']).toBe('native');
  for (const method of ['matmuls', 'composed', 'plain'] as const)
    expect(environment({ backend: 'cpu', method })['COSFACE_BACKEND']).toBe('js');
  expect(environment({})).not.toHaveProperty('COSFACE_ISA');
  expect(environment({ isa: 'scalar' })['COSFACE_ISA']).toBe('scalar');
});

test('flops: three products for gradients, one for the loss alone; results likewise', () => {
  expect(flopsOf(rowOf(shape))).toBe(6 * 512 * 10575 * 512);
  expect(flopsOf(rowOf(shape, { pass: 'forward' }))).toBe(2 * 512 * 10575 * 512);
  expect(resultBytes(rowOf(shape))).toBe(4 * (512 * 512 + 10575 * 512 + 3 * 512));
  expect(resultBytes(rowOf(shape, { pass: 'forward' }))).toBe(4 * 3 * 512);
});

test('memory: what frees its temporaries needs them during a call alone, what keeps them always', () => {
  const eager = memoryNeed(rowOf(shape, { backend: 'pytorch', method: 'eager' }));
  const tuned = memoryNeed(rowOf(shape, { backend: 'pytorch', method: 'eager', malloc: 'tuned' }));
  const logits = 4 * 512 * 10575;
  expect(tuned.call).toBe(eager.call);
  expect(tuned.idle - eager.idle).toBeGreaterThan(6 * logits);
  expect(eager.call).toBeGreaterThan(6 * logits);
  expect(memoryNeed(rowOf(shape)).call).toBeLessThan(64 * 2 ** 20 + resultBytes(rowOf(shape)) + 1);
  const [fresh, reused] = [memoryNeed(rowOf(shape)), memoryNeed(rowOf(shape, { results: 'reused' }))];
  expect(reused.idle + reused.call).toBe(fresh.idle + fresh.call);
  expect(reused.call).toBeLessThan(fresh.call);
});

const row = rowOf(shape);
const peer = { row, ready: { relativeError: 1e-7, loss: 30 } };

test.each([
  ['a large error', { relativeError: 2e-4, loss: 30 }, /relative error 0.0002, expected at most 0.0001/],
  ['an error that is NaN', { relativeError: Number.NaN, loss: 30 }, /relative error NaN/],
  ['another mean loss than its peers', { relativeError: 1e-7, loss: 30.1 }, /mean loss 30.1, but 30 from native/],
  ['a mean loss that is NaN', { relativeError: 1e-7, loss: Number.NaN }, /mean loss NaN/],
])('a row is refused for %s', (_, ready, fault) => {
  expect(faultOf({ row, ready }, [peer])).toMatch(fault);
});

test('a sound row has no fault, nor one without a loss or of a problem of its own', () => {
  expect(faultOf({ row, ready: { relativeError: 1e-6, loss: 30.0001 } }, [peer])).toBeUndefined();
  expect(faultOf({ row, ready: { relativeError: 1e-6, loss: undefined } }, [peer])).toBeUndefined();
  const other = { relativeError: 1e-6, loss: 7 };
  expect(faultOf({ row: { ...row, batch: 4 }, ready: other }, [peer])).toBeUndefined();
  expect(faultOf({ row: { ...row, state: 'trained' }, ready: other }, [peer])).toBeUndefined();
  expect(faultOf({ row: { ...row, margin: 0 }, ready: other }, [peer])).toBeUndefined();
});

test('what was asked for less is held to less, and not to nothing', () => {
  const coarse = [{ precision: 'bf16-gradients' }, { precision: 'bf16' }] as const;
  for (const given of coarse) {
    const asked = { ...row, ...given };
    expect(faultOf({ row: asked, ready: { relativeError: 5e-3, loss: 30.01 } }, [peer])).toBeUndefined();
    expect(faultOf({ row: asked, ready: { relativeError: 0.2, loss: 30 } }, [peer])).toMatch(/expected at most 0\.\d+/);
  }
});

test('a row with a gradient tolerance is held to the bound of that tolerance', () => {
  const filtered = { ...row, gradientTolerance: 1e-3 };
  const ready = { relativeError: 0.05, loss: 30 };
  expect(faultOf({ row: filtered, ready: { ...ready, shareOfTolerance: 0.4 } }, [peer])).toBeUndefined();
  for (const shareOfTolerance of [1.01, Number.NaN, undefined])
    expect(faultOf({ row: filtered, ready: { ...ready, shareOfTolerance } }, [peer])).toMatch(
      /gradient tolerance is used/,
    );
  expect(faultOf({ row: filtered, ready: { ...ready, loss: 31, shareOfTolerance: 0 } }, [peer])).toMatch(/mean loss/);
});
