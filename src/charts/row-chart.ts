import { linearAxis } from './axis.js';
import { drawPicture, short, text } from './svg.js';

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
  return drawPicture({ title, note, width: WIDTH, height: bottom + 78, left: 20 }, [
    ...axis.ticks.flatMap((value) => [
      `<path class="grid" d="M${short(axis.at(value))} ${TOP}V${bottom}"/>`,
      text(axis.at(value), bottom + 18, 'tick', 'middle', `${value}`),
    ]),
    ...rows.flatMap(({ name, values }, index) => {
      const y = TOP + ROW * (index + 0.5);
      const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
      return [
        text(LEFT - 16, y + 4.5, 'row', 'end', name),
        `<path stroke="#cc6677" stroke-width="3" d="M${short(axis.at(mean))} ${y - 9}V${y + 9}"/>`,
        ...values.map(
          (value) => `<circle cx="${short(axis.at(value))}" cy="${y}" r="3.4" fill="#332288" fill-opacity=".75"/>`,
        ),
        text(RIGHT + 16, y + 4.5, 'tick', 'start', mean.toFixed(2)),
      ];
    }),
    text((LEFT + RIGHT) / 2, bottom + 40, 'axis', 'middle', x),
  ]);
}
