import { linearAxis, logAxis } from './axis.js';
import { drawPicture, escaped, short, text } from './svg.js';

/** A curve, or with `points` apart a cloud, named at its end. */
export interface ChartSeries {
  name: string;
  /** Ascending in x; above 0 where the axis is logarithmic. */
  points: ReadonlyArray<readonly [x: number, y: number]>;
  /**
   * `roof`: a thin dashed line without dots, a bound and no measurement. `dots`: each point by itself. `line`: a curve
   * of so many points that none is marked. `area`: a line, and what lies below it tinted, named at its highest point.
   */
  kind: 'curve' | 'roof' | 'dots' | 'line' | 'area';
}

type Scale = 'log' | 'linear';

export interface Chart {
  title: string;
  /** Default both logarithmic. */
  scales?: { x: Scale; y: Scale };
  /** With units. */
  x: string;
  y: string;
  series: readonly ChartSeries[];
  /** A line below the picture: where the figures come from. */
  note: string;
}

/** Paul Tol's "muted" scheme: made to be told apart with any colour vision, and on white. */
const COLOURS = ['#332288', '#44aa99', '#cc6677', '#999933', '#882255', '#88ccee', '#117733', '#aa4499', '#c9ae45'];
const WIDTH = 860;
const HEIGHT = 470;
/** Room for the names at the right. */
const FRAME = { left: 74, top: 46, right: 600, bottom: 400 };
const LINE_HEIGHT = 17;

/** An SVG picture of series over two axes. */
export function drawChart({ title, x, y, series, note, scales = { x: 'log', y: 'log' } }: Chart): string {
  const all = series.flatMap(({ points }) => points);
  const axes = { log: logAxis, linear: linearAxis };
  const xAxis = axes[scales.x](
    all.map(([value]) => value),
    FRAME.left,
    FRAME.right,
  );
  const yAxis = axes[scales.y](
    all.map(([, value]) => value),
    FRAME.bottom,
    FRAME.top,
  );
  const place = ([px, py]: readonly [number, number]): [number, number] => [xAxis.at(px), yAxis.at(py)];
  const placed = series.map((one, index) => ({
    ...one,
    colour: COLOURS[index % COLOURS.length] as string,
    places: one.points.map(place),
  }));
  const middle = (FRAME.left + FRAME.right) / 2;
  return drawPicture({ title, note, width: WIDTH, height: HEIGHT, left: FRAME.left }, [
    ...xAxis.ticks.flatMap((value) => [
      `<path class="grid" d="M${short(xAxis.at(value))} ${FRAME.top}V${FRAME.bottom}"/>`,
      text(xAxis.at(value), FRAME.bottom + 18, 'tick', 'middle', tickName(value)),
    ]),
    ...yAxis.ticks.flatMap((value) => [
      `<path class="grid" d="M${FRAME.left} ${short(yAxis.at(value))}H${FRAME.right}"/>`,
      text(FRAME.left - 8, yAxis.at(value) + 4, 'tick', 'end', tickName(value)),
    ]),
    text(middle, FRAME.bottom + 40, 'axis', 'middle', x),
    `<text transform="translate(20 ${(FRAME.top + FRAME.bottom) / 2}) rotate(-90)" text-anchor="middle">${escaped(y)}</text>`,
    ...placed.map(drawSeries),
    ...drawNames(placed),
  ]);
}

interface PlacedSeries extends ChartSeries {
  colour: string;
  places: Array<[number, number]>;
}

function drawSeries({ kind, colour, places }: PlacedSeries): string {
  const path = `M${places.map((place) => place.map(short).join(' ')).join('L')}`;
  const line = kind === 'dots' ? '' : `<path class="${kind}" stroke="${colour}" d="${path}"/>`;
  if (kind === 'area') return drawTint(path, colour, places) + line;
  if (kind === 'roof' || kind === 'line') return line;
  const dots = places.map(([px, py]) => `<circle cx="${short(px)}" cy="${short(py)}" r="3.4" fill="${colour}"/>`);
  return line + dots.join('');
}

function drawTint(path: string, colour: string, places: PlacedSeries['places']): string {
  const [first, last] = [places[0], places.at(-1)] as [[number, number], [number, number]];
  const closed = `${path}L${short(last[0])} ${FRAME.bottom}L${short(first[0])} ${FRAME.bottom}Z`;
  return `<path fill="${colour}" fill-opacity=".18" d="${closed}"/>`;
}

/** Where a series is named: at its end, an area at its highest point. */
function namedAt({ kind, places }: PlacedSeries): [number, number] {
  const end = places.at(-1) as [number, number];
  return kind === 'area' ? places.reduce((top, place) => (place[1] < top[1] ? place : top), end) : end;
}

/** The names, from top to bottom as the ends of their curves, moved apart, each with a line to its end. */
function drawNames(placed: readonly PlacedSeries[]): string[] {
  const ends = placed
    .map((one) => ({ name: one.name, colour: one.colour, end: namedAt(one) }))
    .sort((a, b) => a.end[1] - b.end[1]);
  // From below upwards, so that the lowest stays in the frame.
  let lowest = FRAME.bottom + LINE_HEIGHT;
  const heights = ends
    .toReversed()
    .map(({ end }) => {
      lowest = Math.min(end[1], lowest - LINE_HEIGHT);
      return lowest;
    })
    .reverse();
  return ends.flatMap(({ name, colour, end: [px, py] }, at) => {
    const height = heights[at] as number;
    const left = FRAME.right + 22;
    return [
      `<path class="leader" d="M${short(px + 5)} ${short(py)}L${left - 4} ${short(height)}"/>`,
      `<text x="${left}" y="${short(height + 4.5)}" style="fill:${colour}">${escaped(name)}</text>`,
    ];
  });
}

function tickName(value: number): string {
  return value.toLocaleString('en-US', { maximumSignificantDigits: 3 });
}
