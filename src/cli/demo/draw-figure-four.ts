import { svgFile } from '../../charts/svg.js';
import { turn } from '../../evaluate/circle-gaps.js';
import type { FigureFour, Panel } from './figure-four.js';

/** Paul Tol's "muted" scheme: made to be told apart with any colour vision, and on white. */
const COLOURS = ['#332288', '#62b6e2', '#44aa99', '#117733', '#999933', '#c9ae45', '#cc6677', '#882255'];

const PANEL = 250;
const COLUMN = PANEL + 18;
const LEFT = 46;
const TITLE = 40;
const ROW = PANEL + 16;
const CAPTION = 46;
const FOOT = 46;
const INK = '#222';
const FAINT = '#b8b8b8';
/** The radius of the lower row's circle, and the height of the tallest density above it. */
const CIRCLE = 74;
const RIDGE = 28;
/** Standard deviation of the density's smoothing, degrees. */
const SMOOTHING = 2;

/** An SVG picture of the figure: in the plane above, on the circle below, one column for each loss. */
export function drawFigureFour(figure: FigureFour, note: string): string {
  const width = LEFT + figure.panels.length * COLUMN;
  const height = TITLE + 2 * ROW + CAPTION + FOOT;
  const ridges = figure.panels.map((panel) => figure.digits.map((_, label) => density(panel, figure.labels, label)));
  const tallest = Math.max(...ridges.flat(2));
  const columns = figure.panels.map((panel, i) => {
    const plane = group(PANEL / 2, TITLE + PANEL / 2, drawPlane(panel, figure));
    const circle = group(PANEL / 2, TITLE + ROW + PANEL / 2, drawCircle(panel, figure, ridges[i] ?? [], tallest));
    return group(LEFT + i * COLUMN, 0, [text(PANEL / 2, 24, 'title', title(panel)), plane, circle, ...caption(panel)]);
  });
  const frame = {
    title: 'Features of two dimensions of eight handwritten digits, by softmax and by LMCL',
    width,
    height,
  };
  return svgFile({ ...frame, style: STYLE }, [
    rowLabel(TITLE + PANEL / 2, 'features'),
    rowLabel(TITLE + ROW + PANEL / 2, 'their directions'),
    ...columns,
    text(width / 2, height - 16, 'note', note),
  ]);
}

const STYLE = `<style>
text { font-family: 'Source Sans 3', 'Source Sans Pro', 'Helvetica Neue', Arial, sans-serif; fill: ${INK}; text-anchor: middle; font-size: 14px }
.title { font-size: 18px; font-weight: 600 } .digit { font-size: 15px; font-weight: 600 } .tick { font-size: 10px; fill: #777; stroke: #fff; stroke-width: 2.5px; paint-order: stroke }
.note { font-size: 12.5px; fill: #666 } .axis { stroke: ${FAINT}; stroke-width: .6; fill: none }
.ray { stroke-width: 1; fill: none } .dots { stroke-width: 2.1; stroke-linecap: round; stroke-opacity: .5; fill: none }
.rug { stroke-width: .5; stroke-opacity: .45; fill: none } .ridge { fill-opacity: .55; stroke-width: .9 } .big { font-weight: 600 }
</style>`;

function title({ objective }: Panel): string {
  if (objective.loss === 'softmax') return 'Softmax';
  return `LMCL, <tspan font-style="italic">m</tspan> = ${objective.margin}`;
}

function caption({ accuracy, gap }: Panel): string[] {
  const top = TITLE + 2 * ROW + 14;
  return [
    text(
      PANEL / 2,
      top,
      'caption',
      `<tspan class="big">${(100 * accuracy).toFixed(1)} %</tspan> of held-out digits recognised`,
    ),
    text(PANEL / 2, top + 19, 'caption', `<tspan class="big">${gap.toFixed(1)}°</tspan> between neighbouring digits`),
  ];
}

function rowLabel(y: number, label: string): string {
  return `<text transform="translate(22 ${y}) rotate(-90)" class="row">${label}</text>`;
}

/** The features as they are, about the origin; every panel has a scale of its own, since LMCL leaves the norm free. */
function drawPlane(panel: Panel, { labels, digits }: FigureFour): string[] {
  const norms = [...labels.keys()].map((i) => Math.hypot(...panel.features.subarray(2 * i, 2 * i + 2)));
  // A few strays may lie further out than the rays.
  const reach = norms.sort((a, b) => a - b)[Math.floor(0.99 * (norms.length - 1))] as number;
  const half = PANEL / 2;
  const scale = (half - 24) / reach;
  const tick = niceStep(reach / 1.6);
  return [
    line('axis', [-half, 0], [half, 0]),
    line('axis', [0, -half], [0, half]),
    ...[-tick, tick].flatMap((value) => [
      line('axis', [value * scale, -2.5], [value * scale, 2.5]),
      line('axis', [-2.5, value * scale], [2.5, value * scale]),
    ]),
    text(tick * scale, 13, 'tick', `${tick}`),
    ...digits.map((_, label) => {
      const at = members(panel.features, labels, label).map(([x, y]) => `M${short(x * scale)} ${short(-y * scale)}h0`);
      return `<path class="dots" stroke="${colour(label)}" d="${at.join('')}"/>`;
    }),
    ...digits.flatMap((digit, label) => {
      const angle = centreAngle(panel, label);
      return [ray(label, angle, half - 18), text(...labelAt(angle, half - 8), 'digit', `${digit}`, colour(label))];
    }),
  ];
}

/** The features' directions: a tick for each, and above the circle how densely they lie. */
function drawCircle(
  panel: Panel,
  { labels, digits }: FigureFour,
  ridges: readonly number[][],
  tallest: number,
): string[] {
  return [
    `<circle class="axis" r="${CIRCLE}"/>`,
    ...digits.map(
      (_, label) =>
        `<path class="ridge" fill="${colour(label)}" stroke="${colour(label)}" d="${ridgePath(ridges[label] ?? [], tallest)}"/>`,
    ),
    ...digits.map((_, label) => {
      const ticks = members(panel.features, labels, label).map(([x, y]) => {
        const [from, to] = [polar(Math.atan2(y, x), CIRCLE - 7), polar(Math.atan2(y, x), CIRCLE - 1)];
        return `M${from}L${to}`;
      });
      return `<path class="rug" stroke="${colour(label)}" d="${ticks.join('')}"/>`;
    }),
    ...digits.flatMap((digit, label) => {
      const angle = centreAngle(panel, label);
      return [
        ray(label, angle, CIRCLE - 8),
        text(...labelAt(angle, CIRCLE + RIDGE + 14), 'digit', `${digit}`, colour(label)),
      ];
    }),
  ];
}

/** Smoothed share of a class per degree, for each degree of the circle. */
function density({ features }: Panel, labels: Int32Array, label: number): number[] {
  const angles = members(features, labels, label).map(([x, y]) => (Math.atan2(y, x) * 180) / Math.PI);
  const factor = 1 / (angles.length * SMOOTHING * Math.sqrt(2 * Math.PI));
  return Array.from({ length: 360 }, (_, degree) => {
    const weights = angles.map((angle) => {
      const distance = (turn(((angle - degree) * Math.PI) / 180) * 180) / Math.PI / SMOOTHING;
      return Math.exp((-distance * distance) / 2);
    });
    return factor * weights.reduce((sum, weight) => sum + weight, 0);
  });
}

/** Closed outlines above the circle, wherever the density is high enough to be seen. */
function ridgePath(ridge: readonly number[], tallest: number): string {
  const height = (degree: number) => (RIDGE * (ridge[(degree + 360) % 360] as number)) / tallest;
  const visible = (degree: number) => height(degree) > 0.15;
  const starts = ridge.map((_, degree) => degree).filter((degree) => visible(degree) && !visible(degree - 1));
  return starts
    .map((start) => {
      let end = start;
      while (visible(end + 1) && end < start + 359) end++;
      const degrees = Array.from({ length: end - start + 1 }, (_, i) => start + i);
      const outline = degrees.map((degree) => polar((degree * Math.PI) / 180, CIRCLE + height(degree)));
      const base = degrees.reverse().map((degree) => polar((degree * Math.PI) / 180, CIRCLE));
      return `M${[...outline, ...base].join('L')}Z`;
    })
    .join('');
}

function members(features: Float32Array, labels: Int32Array, label: number): Array<[x: number, y: number]> {
  const indices = [...labels.keys()].filter((i) => labels[i] === label);
  return indices.map((i) => [features[2 * i] as number, features[2 * i + 1] as number]);
}

function centreAngle({ centres }: Panel, label: number): number {
  return Math.atan2(centres[2 * label + 1] as number, centres[2 * label] as number);
}

function ray(label: number, angle: number, length: number): string {
  return `<path class="ray" stroke="${colour(label)}" d="M0 0L${polar(angle, length)}"/>`;
}

/** Where a digit's baseline goes, so that the digit's middle is at this angle and radius. */
function labelAt(angle: number, radius: number): [x: number, y: number] {
  return [radius * Math.cos(angle), -radius * Math.sin(angle) + 5];
}

/** 1, 2 or 5 times a power of ten, at most `value`. */
function niceStep(value: number): number {
  const power = 10 ** Math.floor(Math.log10(value));
  return [5, 2, 1].map((digit) => digit * power).find((step) => step <= value) ?? power;
}

function group(x: number, y: number, content: readonly string[]): string {
  return `<g transform="translate(${x} ${y})">\n${content.join('\n')}\n</g>`;
}

function line(name: string, from: [number, number], to: [number, number]): string {
  return `<path class="${name}" d="M${from.map(short).join(' ')}L${to.map(short).join(' ')}"/>`;
}

function text(x: number, y: number, name: string, content: string, fill?: string): string {
  const style = fill ? ` style="fill:${fill}"` : '';
  return `<text x="${short(x)}" y="${short(y)}" class="${name}"${style}>${content}</text>`;
}

/** SVG's y axis points down. */
function polar(angle: number, radius: number): string {
  return `${short(radius * Math.cos(angle))} ${short(-radius * Math.sin(angle))}`;
}

function short(value: number): string {
  return `${Math.round(value * 10) / 10}`;
}

function colour(label: number): string {
  return COLOURS[label % COLOURS.length] as string;
}
