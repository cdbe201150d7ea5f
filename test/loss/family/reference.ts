/**
 * The family in double precision and plain loops: the loss of each sample, its formula as the docstrings of src/loss
 * state it. What a loss takes as constant in its gradient is computed from `at`, so that differences of the rest are its
 * gradient.
 */
export interface FamilyProblem {
  x: number[][];
  w: number[][];
  y: number[];
  bias?: number[];
}

export type FamilyReference = (p: FamilyProblem, at: FamilyProblem) => number[];

/** Options as the losses take them, all given. */
interface Options extends Record<string, unknown> {
  scale: number;
  margin: number;
}

const norm = (v: number[]) => Math.hypot(...v);
const dot = (a: number[], b: number[]) => a.reduce((sum, value, d) => sum + value * (b[d] as number), 0);
const softplus = (u: number) => Math.max(u, 0) + Math.log1p(Math.exp(-Math.abs(u)));
const mean = (values: number[]) => values.reduce((a, b) => a + b, 0) / values.length;

function cosine(a: number[], b: number[]): number {
  const size = norm(a) * norm(b);
  return size === 0 ? 0 : dot(a, b) / size;
}

export function cosines({ x, w }: FamilyProblem): number[][] {
  return x.map((row) => w.map((centre) => cosine(row, centre)));
}

/** -log softmax at y, the others apart from the target. */
function crossEntropy(z: number[], y: number): number {
  const others = z.filter((_, c) => c !== y);
  const top = Math.max(...others);
  if (others.length === 0 || top === Number.NEGATIVE_INFINITY) return 0;
  const sum = others.reduce((total, value) => total + Math.exp(value - top), 0);
  return softplus(top + Math.log(sum) - (z[y] as number));
}

function psi(angle: number): number {
  const k = Math.floor(angle / Math.PI);
  return (k % 2 === 0 ? 1 : -1) * Math.cos(angle) - 2 * k;
}

const angleOf = (c: number) => Math.acos(Math.min(1, Math.max(-1, c)));

function arc(c: number, m: number, fallback: unknown): number {
  const t = angleOf(c);
  if (fallback === 'none') return Math.cos(t + m);
  if (fallback === 'easy') return c > 0 ? Math.cos(t + m) : c;
  if (fallback === 'hard') return t + m <= Math.PI ? Math.cos(t + m) : c - m * Math.sin(m);
  return psi(t + m);
}

/** Softmax over logits that the sample's row of cosines makes. */
function overCosines(logits: (row: number[], y: number, i: number) => number[]): FamilyReference {
  return (p) => cosines(p).map((row, i) => crossEntropy(logits(row, p.y[i] as number, i), p.y[i] as number));
}

/** Softmax over x w + b, or what `target` makes of the own class's. */
function overProducts(
  target?: (x: number[], own: number[], cos: number) => number,
  normalizeWeights = false,
): FamilyReference {
  return ({ x, w, y, bias }) =>
    x.map((row, i) => {
      const own = y[i] as number;
      const z = w.map((centre, c) => {
        const size = norm(row) * (normalizeWeights ? 1 : norm(centre));
        const product = normalizeWeights ? size * cosine(row, centre) : dot(row, centre);
        return (c === own && target ? target(row, centre, cosine(row, centre)) * size : product) + (bias?.[c] ?? 0);
      });
      return crossEntropy(z, own);
    });
}

function marginOnTarget(scale: number, margined: (c: number) => number): FamilyReference {
  return overCosines((row, y) => row.map((c, k) => scale * (k === y ? margined(c) : c)));
}

/** Negatives that are hard at `at` are reweighted. */
function hardNegatives(
  scale: number,
  target: (c: number) => number,
  reweigh: (c: number, at: number[][]) => number,
): FamilyReference {
  return (p, at) => {
    const held = cosines(at);
    return cosines(p).map((row, i) => {
      const y = p.y[i] as number;
      const threshold = target(held[i]?.[y] as number);
      const z = row.map((c, k) => {
        if (k === y) return scale * target(c);
        return scale * ((held[i]?.[k] as number) > threshold ? reweigh(c, held) : c);
      });
      return crossEntropy(z, y);
    });
  };
}

function binary(logit: (c: number) => [own: number, other: number], own: number, other: number): FamilyReference {
  return (p) =>
    cosines(p).map((row, i) =>
      row.reduce((sum, c, k) => {
        const [z, rest] = logit(c);
        return sum + (k === p.y[i] ? own * softplus(-z) : other * softplus(rest));
      }, 0),
    );
}

const annealing = (m: number, lambda: number) => (c: number) => (lambda * c + psi(m * angleOf(c))) / (1 + lambda);

/** The reference of a loss with its options; the reduced losses of pairs and triplets come as one number. */
export const REFERENCES: Record<string, (options: Options) => FamilyReference> = {
  softmaxLoss: ({ labelSmoothing: e = 0 }) => {
    if (!e) return overProducts();
    return ({ x, w, y, bias }) =>
      x.map((row, i) => {
        const z = w.map((centre, c) => dot(row, centre) + (bias?.[c] ?? 0));
        const each = z.map((_, c) => crossEntropy(z, c));
        return (1 - (e as number)) * (each[y[i] as number] as number) + (e as number) * mean(each);
      });
  },
  aSoftmaxLoss: ({ margin, lambda = 0 }) => overProducts((_x, _w, c) => annealing(margin, lambda as number)(c), true),
  lSoftmaxLoss: ({ margin, lambda = 0 }) => overProducts((_x, _w, c) => annealing(margin, lambda as number)(c)),
  sphereFaceLoss: ({ scale, margin, lambda = 0 }) => marginOnTarget(scale, annealing(margin, lambda as number)),
  normFaceLoss: ({ scale }) => marginOnTarget(scale, (c) => c),
  cosFaceLoss: ({ scale, margin, interclassFilter, normalizeEmbeddings }) => {
    if (normalizeEmbeddings === false) return overProducts((_x, _w, c) => c - margin, true);
    if (interclassFilter === undefined) return marginOnTarget(scale, (c) => c - margin);
    return (p, at) => {
      const held = cosines(at);
      const counts = (i: number, k: number) => (held[i]?.[k] as number) <= (interclassFilter as number);
      const logit = (c: number, k: number, y: number, i: number) => {
        if (k === y) return scale * (c - margin);
        return counts(i, k) ? scale * c : Number.NEGATIVE_INFINITY;
      };
      return overCosines((row, y, i) => row.map((c, k) => logit(c, k, y, i)))(p, at);
    };
  },
  arcFaceLoss: ({ scale, margin, fallback }) => marginOnTarget(scale, (c) => arc(c, margin, fallback)),
  curricularFaceLoss: ({ scale, margin, fallback, state, momentum }) => {
    const old = state as { t: number } | undefined;
    const keep = old ? (momentum as number) : 0;
    const target = (c: number) => arc(c, margin, fallback);
    return (p, at) => {
      const now = mean(cosines(at).map((row, i) => row[at.y[i] as number] as number));
      const t = keep * (old?.t ?? 0) + (1 - keep) * now;
      return hardNegatives(scale, target, (c) => c * (t + c))(p, at);
    };
  },
  mvSoftmaxLoss: ({ scale, margin, kind, t, fallback }) =>
    hardNegatives(
      scale,
      (c) => (kind === 'arc' ? arc(c, margin, fallback) : c - margin),
      (c) => (1 + (t as number)) * c + (t as number),
    ),
  subCenterArcFaceLoss: ({ scale, margin, fallback, subCenters }) => {
    const k = subCenters as number;
    return (p) =>
      cosines(p).map((row, i) => {
        const nearest = Array.from({ length: row.length / k }, (_, c) => Math.max(...row.slice(c * k, c * k + k)));
        const y = p.y[i] as number;
        return crossEntropy(
          nearest.map((c, j) => scale * (j === y ? arc(c, margin, fallback) : c)),
          y,
        );
      });
  },
  circleLoss: ({ scale, margin, gradient }) => {
    return (p, at) => {
      const held = cosines(gradient === 'exact' ? p : at);
      const logit = (c: number, pace: number, own: boolean) =>
        own ? Math.max(1 + margin - pace, 0) * (c - 1 + margin) : Math.max(pace + margin, 0) * (c - margin);
      return overCosines((row, y, i) => row.map((c, k) => scale * logit(c, held[i]?.[k] as number, k === y)))(p, at);
    };
  },
  sphereFace2Loss: ({ scale, margin, exponent, balance, bias }) => {
    const g = (c: number) => 2 * ((c + 1) / 2) ** (exponent as number) - 1;
    const b = bias as number;
    const lambda = balance as number;
    return binary(
      (c) => [scale * (g(c) - margin) + b, scale * (g(c) + margin) + b],
      lambda / scale,
      (1 - lambda) / scale,
    );
  },
  uniFaceLoss: ({ scale, margin, bias, negativeWeight }) =>
    binary((c) => [scale * (c - margin) - (bias as number), scale * c - (bias as number)], 1, negativeWeight as number),
  adaCosLoss: ({ state }) => {
    const { scale } = state as { scale: number };
    return (p, at) => {
      const held = cosines(at);
      const own = held.map((row, i) => row[at.y[i] as number] as number);
      const sums = held.map((row, i) => row.reduce((s, c, k) => s + (k === at.y[i] ? 0 : Math.exp(scale * c)), 0));
      const angles = own.map(angleOf).sort((a, b) => a - b);
      const half = Math.floor(angles.length / 2);
      const median = angles.length % 2 ? (angles[half] as number) : mean(angles.slice(half - 1, half + 1));
      const next = Math.log(mean(sums)) / Math.cos(Math.min(Math.PI / 4, median));
      return marginOnTarget(next, (c) => c)(p, at);
    };
  },
  adaFaceLoss: ({ scale, margin, concentration, momentum, state }) => {
    return (p, at) => {
      const norms = at.x.map((row) => Math.min(100, Math.max(1e-3, norm(row))));
      const now = mean(norms);
      const deviation = Math.sqrt(norms.reduce((sum, a) => sum + (a - now) ** 2, 0) / (norms.length - 1));
      const old = (state ?? { mean: now, deviation }) as { mean: number; deviation: number };
      const keep = state ? 1 - (momentum as number) : 0;
      const centre = keep * old.mean + (1 - keep) * now;
      const spread = keep * old.deviation + (1 - keep) * deviation + 1e-3;
      const q = norms.map((a) => Math.min(1, Math.max(-1, ((a - centre) / spread) * (concentration as number))));
      const target = (c: number, i: number) =>
        psi(angleOf(c) - margin * (q[i] as number)) - margin * (q[i] as number) - margin;
      return overCosines((row, y, i) => row.map((c, k) => scale * (k === y ? target(c, i) : c)))(p, at);
    };
  },
  magFaceLoss: ({ scale, regularizer }) => {
    return (p, at) => {
      const lengths = p.x.map((row) => Math.min(110, Math.max(10, norm(row))));
      const margin = (i: number) => 0.45 + (0.35 / 100) * ((lengths[i] as number) - 10);
      const losses = overCosines((row, y, i) => row.map((c, k) => scale * (k === y ? psi(angleOf(c) + margin(i)) : c)));
      const penalty = (a: number) => (regularizer as number) * (a / 110 ** 2 + 1 / a);
      return losses(p, at).map((loss, i) => loss + penalty(lengths[i] as number));
    };
  },
  centerLoss: () => (p) =>
    p.x.map((row, i) => 0.5 * norm(row.map((v, d) => v - (p.w[p.y[i] as number]?.[d] as number))) ** 2),
};

const unit = (row: number[]) => row.map((v) => (norm(row) === 0 ? 0 : v / norm(row)));
const apart = (a: number[], b: number[]) => norm(a.map((v, d) => v - (b[d] as number)));

/** The mean over the pairs of a batch. */
export function contrastiveReference(p: FamilyProblem, options: Options): number {
  const { margin, positiveMargin = 0, form } = options;
  const rows = p.x.map(unit);
  const losses = rows.flatMap((a, i) =>
    rows.slice(0, i).map((b, j) => {
      const d = apart(a, b);
      const excess = p.y[i] === p.y[j] ? Math.max(0, d - (positiveMargin as number)) : Math.max(0, margin - d);
      return form === 'linear' ? excess : 0.5 * excess ** 2;
    }),
  );
  return losses.length === 0 ? 0 : mean(losses);
}

/** The mean over the triplets with a loss above 0, among those that are chosen at `at`. */
export function tripletReference(p: FamilyProblem, at: FamilyProblem, { margin, mining }: Options): number {
  const squares = (q: FamilyProblem) => {
    const rows = q.x.map(unit);
    return rows.map((a) => rows.map((b) => apart(a, b) ** 2));
  };
  const [now, held] = [squares(p), squares(at)];
  const at2 = (matrix: number[][], i: number, j: number) => matrix[i]?.[j] as number;
  const index = p.y.map((_, i) => i);
  const losses = index.flatMap((a) => {
    const positives = index.filter((i) => i !== a && p.y[i] === p.y[a]);
    const negatives = index.filter((i) => p.y[i] !== p.y[a]);
    const farthest = Math.max(...positives.map((i) => at2(held, a, i)));
    const nearest = Math.min(...negatives.map((i) => at2(held, a, i)));
    return positives.flatMap((i) =>
      negatives.flatMap((j) => {
        const [near, far] = [at2(held, a, i), at2(held, a, j)];
        const chosen = {
          all: true,
          'semi-hard': far > near,
          hard: near === farthest && far === nearest,
        }[mining as 'all' | 'hard' | 'semi-hard'];
        return chosen && near - far + margin > 0 ? [at2(now, a, i) - at2(now, a, j) + margin] : [];
      }),
    );
  });
  return losses.length === 0 ? 0 : mean(losses);
}

/** Central differences of a number by the elements of x, w or the bias. */
export function differences(
  value: (p: FamilyProblem) => number,
  p: FamilyProblem,
  by: 'x' | 'w' | 'bias',
  h = 1e-6,
): number[] {
  const matrix = by === 'bias' ? [p.bias ?? []] : p[by];
  return matrix.flatMap((row, r) =>
    row.map((_, d) => {
      const moved = (step: number) => {
        const rows = matrix.map((old, i) => (i === r ? old.map((v, k) => (k === d ? v + step : v)) : old));
        return value({ ...p, [by]: by === 'bias' ? rows[0] : rows });
      };
      return (moved(h) - moved(-h)) / (2 * h);
    }),
  );
}
