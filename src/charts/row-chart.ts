import { linearAxis } from './axis.js';
import { escaped, STYLE, text } from './svg.js';

/** A row: its single values as dots, their mean as a bar. */
export interface ChartRow {
  name: string;
  values: readonly number[];
}

export interface RowChart {
  title: string;
  /** With units. */
  x: string;
  rows: readonly ChartRow[];
  /** A line below the picture: where the figures come from. */
  note: string;
}

const WIDTH = 860;
const LEFT = 250;
const RIGHT = 740;
const TOP = 46;
const ROW = 30;

/** An SVG picture of values by name, from top to bottom in their order. */
export function drawRowChart({ title, x, rows, note }: RowChart): string {
  const axis = linearAxis(
    rows.flatMap(({ values }) => values),
    LEFT,
    RIGHT,
  );
  const bottom = TOP + ROW * rows.length;
  const height = bottom + 78;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${height}" viewBox="0 0 ${WIDTH} ${height}">`,
    `<title>${escaped(title)}</title>`,
    STYLE,
    `<rect width="${WIDTH}" height="${height}" fill="#fff"/>`,
    text(20, 26, 'title', 'start', title),
    ...axis.ticks.flatMap((value) => [
      `<path class="grid" d="M${axis.at(value).toFixed(1)} ${TOP}V${bottom}"/>`,
      text(axis.at(value), bottom + 18, 'tick', 'middle', `${value}`),
    ]),
    ...rows.flatMap(({ name, values }, index) => {
      const y = TOP + ROW * (index + 0.5);
      const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
      return [
        text(LEFT - 16, y + 4.5, 'row', 'end', name),
        `<path stroke="#cc6677" stroke-width="3" d="M${axis.at(mean).toFixed(1)} ${y - 9}V${y + 9}"/>`,
        ...values.map(
          (value) => `<circle cx="${axis.at(value).toFixed(1)}" cy="${y}" r="3.4" fill="#332288" fill-opacity=".75"/>`,
        ),
        text(RIGHT + 16, y + 4.5, 'tick', 'start', mean.toFixed(2)),
      ];
    }),
    text((LEFT + RIGHT) / 2, bottom + 40, 'axis', 'middle', x),
    text(20, height - 12, 'note', 'start', note),
    '</svg>',
    '',
  ].join('\n');
}
