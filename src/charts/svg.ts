/** What all pictures look like. */
export const STYLE = `<style>
text { font-family: 'Source Sans 3', 'Source Sans Pro', 'Helvetica Neue', Arial, sans-serif; fill: #222; font-size: 14px }
.title { font-size: 18px; font-weight: 600 } .tick { font-size: 12px; fill: #666 } .note { font-size: 12.5px; fill: #666 }
.grid { stroke: #e4e4e4; stroke-width: 1; fill: none } .leader { stroke: #b8b8b8; stroke-width: .8; fill: none }
.curve, .line, .area { stroke-width: 2; fill: none; stroke-linejoin: round } .roof { stroke-width: 1.2; stroke-dasharray: 5 4; fill: none }
</style>`;

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
