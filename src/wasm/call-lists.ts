// A call as native/wasm/module.cc reads it: two lists in the same order as there.
import type { FamilyPart, MarginSoftmaxCall } from '../native/addon.js';

/** The codes of the C ABI, native/include/cosface/margin_softmax.h. */
const REDUCTIONS = ['none', 'mean', 'sum'];
const GRADIENTS = ['exact', 'detached'];
const PRECISIONS = ['fp32', 'bf16-gradients', 'bf16'];
const FALLBACKS = ['continuous', 'none', 'easy', 'hard'];
const NEGATIVES = ['plain', 'curricular', 'mv-arc', 'mv-am'];
const CURVES = ['cosine', 'circle', 'power'];
/** A filter that is off. */
const NO_FILTER = 2;

/** Addresses, by name; the outputs last. */
const ARRAYS = [
  ...['embeddings', 'weights', 'labels', 'sampleWeights', 'sampleM1', 'sampleM2', 'sampleM3', 'lossGradient', 'bias'],
  ...['loss', 'targetCosine', 'prediction', 'dEmbeddings', 'dWeights', 'dBias'],
  ...['dSampleWeights', 'dSampleM1', 'dSampleM2', 'dSampleM3'],
] as const;

/** The names of the arrays that a call writes. */
export const OUTPUT_ARRAYS: ReadonlySet<string> = new Set(ARRAYS.slice(ARRAYS.indexOf('loss')));

/** The arrays that a call brings, by name. */
export function arraysOf(call: MarginSoftmaxCall): Array<[string, Float32Array | Int32Array]> {
  const given = { ...call.family, ...call } as Record<string, unknown>;
  return ARRAYS.flatMap((name) => (given[name] ? [[name, given[name] as Float32Array | Int32Array]] : []));
}

/** Where each array lies, 0 for one that is not there. */
export function addressesOf(places: ReadonlyMap<string, number>, start: number): number[] {
  return ARRAYS.map((name) => {
    const place = places.get(name);
    return place === undefined ? 0 : start + place;
  });
}

/** All else. A name that is none becomes -1, which the kernels refuse. */
export function numbersOf(call: MarginSoftmaxCall): number[] {
  const { embeddings, weights, dim } = call;
  const { subCenters = 1, ...family }: FamilyPart = call.family ?? {};
  return [
    embeddings.length / dim,
    weights.length / dim / (subCenters as number),
    dim,
    call.scale,
    call.m1,
    call.m2,
    call.m3,
    call.ignoreLabel,
    REDUCTIONS.indexOf(call.reduction),
    GRADIENTS.indexOf(call.gradient ?? 'exact'),
    PRECISIONS.indexOf(call.precision ?? 'fp32'),
    call.gradientTolerance ?? 0,
    FALLBACKS.indexOf(family.fallback ?? 'continuous'),
    family.annealing ?? 0,
    Number(family.normalizeEmbeddings ?? true),
    Number(family.normalizeWeights ?? true),
    family.labelSmoothing ?? 0,
    family.interclassFilter ?? NO_FILTER,
    NEGATIVES.indexOf(family.negatives?.kind ?? 'plain'),
    family.negatives?.t ?? 0,
    subCenters as number,
    CURVES.indexOf(family.curve?.kind ?? 'cosine'),
    family.curve?.kind === 'power' ? family.curve.exponent : 1,
    Number(family.binary != null),
    family.binary?.positiveWeight ?? 1,
    family.binary?.negativeWeight ?? 1,
    family.binary?.negativeMargin ?? 0,
    family.binary?.biasSign ?? 1,
  ];
}
