/** A decoded image: 8-bit sRGB, row by row from the top left, 3 bytes a pixel. */
export interface RgbImage {
  width: number;
  height: number;
  /** [height, width, 3] */
  pixels: Uint8Array;
}
