import { expect, test } from 'vitest';
import { faultOf } from '../../bench/loss/fault-of.js';
import { rowEnvironment } from '../../bench/loss/row-environment.js';
import { flopsOf, type LossRow, lossRows } from '../../bench/loss/rows.js';

const shape = { batch: 512, classes: 10575, dim: 512 };
const kernel = { isa: 'avx2', isas: ['scalar', 'avx2'], threads: 8 };
const summary = (rows: LossRow[]) => rows.map(({ name, isa, threads, overhead }) => [name, isa, threads, overhead]);

test('the typed-array API: every instruction set, one and all threads, and the loss alone', () => {
  expect(summary(lossRows(shape, ['native'], kernel))).toEqual([
    ['native gradients', 'auto', 'all', false],
    ['native gradients', 'auto', 1, false],
    ['native gradients', 'scalar', 'all', false],
    ['native gradients', 'scalar', 1, false],
    ['native forward', 'auto', 'all', false],
    ['native forward', 'auto', 1, false],
    ['native gradients', 'auto', 'all', true],
  ]);
});

test('no row twice: one processor, or COSFACE_ISA at something else than the best', () => {
  const rows = lossRows(shape, ['native'], { ...kernel, isa: 'scalar', threads: 1 });
  expect(summary(rows).slice(0, 3)).toEqual([
    ['native gradients', 'auto', 'all', false],
    ['native gradients', 'avx2', 'all', false],
    ['native forward', 'auto', 'all', false],
  ]);
});

test('a backend: the kernel against the bare products, the composed ops and what users write', () => {
  const rows = lossRows(shape, ['tensorflow'], kernel);
  const names = ['native gradients', 'matmuls gradients', 'composed gradients', 'plain gradients'];
  expect(rows.slice(0, 4).map(({ name }) => name)).toEqual(names);
  expect(rows.slice(0, 4).every((row) => row.classes === 10575 && !row.overhead)).toBe(true);
  expect(rows.slice(4).map(({ method }) => method)).toEqual(['native', 'composed', 'plain']);
  expect(rows.slice(4).every((row) => row.classes === 3 && row.overhead)).toBe(true);
});

test('the environment of a row: the kernel or nothing, never the kernel, an instruction set of its own', () => {
  const environments = (backend: 'native' | 'cpu') => lossRows(shape, [backend], kernel).map(rowEnvironment);
  expect(
    environments('cpu')
      .map((env) => env['COSFACE_BACKEND'])
      .slice(0, 4),
  ).toEqual(['native', 'js', 'js', 'js']);
  expect(environments('native').every((env) => env['COSFACE_BACKEND'] === 'native')).toBe(true);
  const isas = environments('native').map((env) => env['COSFACE_ISA']);
  expect(isas).toEqual([undefined, undefined, 'scalar', 'scalar', undefined, undefined, undefined]);
});

test('flops: three products for gradients, one for the loss alone', () => {
  const [gradients, , , , forward] = lossRows(shape, ['native'], kernel) as [
    LossRow,
    LossRow,
    LossRow,
    LossRow,
    LossRow,
  ];
  expect(flopsOf(gradients)).toBe(6 * 512 * 10575 * 512);
  expect(flopsOf(forward)).toBe(2 * 512 * 10575 * 512);
});

const [row] = lossRows(shape, ['native'], kernel) as [LossRow];
const peer = { row, ready: { relativeError: 1e-7, loss: 30 } };

test.each([
  ['a large error', { relativeError: 2e-4, loss: 30 }, /relative error 0.0002, expected at most 0.0001/],
  ['an error that is NaN', { relativeError: Number.NaN, loss: 30 }, /relative error NaN/],
  ['another mean loss than its peers', { relativeError: 1e-7, loss: 30.1 }, /mean loss 30.1, but 30 from native/],
  ['a mean loss that is NaN', { relativeError: 1e-7, loss: Number.NaN }, /mean loss NaN/],
])('a row is refused for %s', (_, ready, fault) => {
  expect(faultOf({ row, ready }, [peer])).toMatch(fault);
});

test('a sound row has no fault, nor one without a loss or of a shape of its own', () => {
  expect(faultOf({ row, ready: { relativeError: 1e-6, loss: 30.0001 } }, [peer])).toBeUndefined();
  expect(faultOf({ row, ready: { relativeError: 1e-6, loss: undefined } }, [peer])).toBeUndefined();
  expect(faultOf({ row: { ...row, batch: 4 }, ready: { relativeError: 1e-6, loss: 7 } }, [peer])).toBeUndefined();
});
