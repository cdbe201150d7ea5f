/** What all pictures look like. */
const STYLE = `<style>
text { font-family: 'Source Sans 3', 'Source Sans Pro', 'Helvetica Neue', Arial, sans-serif; fill: #222; font-size: 14px }
.title { font-size: 18px; font-weight: 600 } .tick { font-size: 12px; fill: #666 } .note { font-size: 12.5px; fill: #666 }
.grid { stroke: #e4e4e4; stroke-width: 1; fill: none } .leader { stroke: #b8b8b8; stroke-width: .8; fill: none }
.curve, .line, .area { stroke-width: 2; fill: none; stroke-linejoin: round } .roof { stroke-width: 1.2; stroke-dasharray: 5 4; fill: none }
</style>`;

export interface Picture {
  title: string;
  /** A line below the picture: where the figures come from. */
  note: string;
  width: number;
  height: number;
  /** Where title and note begin. */
  left: number;
}

/** These parts between title and note, in the style of all charts. */
export function drawPicture({ note, left, ...frame }: Picture, parts: readonly string[]): string {
  return svgFile({ ...frame, style: STYLE }, [
    text(left, 26, 'title', 'start', frame.title),
    ...parts,
    text(left, frame.height - 12, 'note', 'start', note),
  ]);
}

export interface SvgFrame extends Pick<Picture, 'title' | 'width' | 'height'> {
  /** A style element. */
  style: string;
}

/** A whole SVG file of these parts, on white. */
export function svgFile({ title, width, height, style }: SvgFrame, parts: readonly string[]): string {
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}">`,
    `<title>${escaped(title)}</title>`,
    style,
    `<rect width="${width}" height="${height}" fill="#fff"/>`,
    ...parts,
    '</svg>',
    '',
  ].join('\n');
}

/** A line of text of one of the classes of `STYLE`. */
export function text(x: number, y: number, name: string, anchor: 'start' | 'middle' | 'end', content: string): string {
  return `<text x="${short(x)}" y="${short(y)}" class="${name}" text-anchor="${anchor}">${escaped(content)}</text>`;
}

export function escaped(content: string): string {
  return content.replaceAll('&', '&amp;').replaceAll('<', '&lt;');
}

/** A place to a tenth of a pixel. */
export function short(value: number): string {
  return `${Math.round(value * 10) / 10}`;
}
