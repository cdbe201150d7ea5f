import { dataError } from './data-error.js';
import type { RgbImage } from './rgb-image.js';

// PGM and PPM, binary (P5, P6) with 8 or 16 bits a sample. sharp's own binaries cannot read them.

/** Whether bytes begin as a binary PGM or PPM does. */
export function isPortableMap(bytes: Uint8Array): boolean {
  return bytes[0] === 0x50 && (bytes[1] === 0x35 || bytes[1] === 0x36) && isBlank(bytes[2]);
}

/**
 * Decodes a binary PGM or PPM; grey becomes RGB, other maxima than 255 are scaled.
 *
 * @param mostPixels - a larger image is refused before anything is allocated.
 * @throws {CosFaceError} COSFACE_IMAGE: cut off, or a size or maximum that cannot be.
 */
export function decodePortableMap(bytes: Uint8Array, name: string, mostPixels: number): RgbImage {
  const refuse = (what: string) => dataError('COSFACE_IMAGE', name, `it cannot be decoded: ${what}.`);
  const header = readHeader(bytes);
  if (!header) throw refuse('its header is cut off or has something else than numbers');
  const { width, height, maximum, start } = header;
  if (width < 1 || height < 1 || width * height > mostPixels) {
    throw refuse(`its size is ${width} x ${height}, expected 1 to ${mostPixels} pixels`);
  }
  if (maximum < 1 || maximum > 65_535) throw refuse(`its largest value is ${maximum}, expected 1 to 65535`);
  const channels = bytes[1] === 0x36 ? 3 : 1;
  const sampleBytes = maximum > 255 ? 2 : 1;
  const needed = width * height * channels * sampleBytes;
  if (bytes.length - start < needed)
    throw refuse(`${needed} bytes of pixels are needed, ${bytes.length - start} are there`);

  const pixels = new Uint8Array(width * height * 3);
  const sample = (at: number): number => {
    const high = bytes[start + at * sampleBytes] as number;
    const value = sampleBytes === 1 ? high : high * 256 + (bytes[start + at * sampleBytes + 1] as number);
    return Math.min(255, Math.round((value * 255) / maximum));
  };
  for (let at = 0; at < pixels.length; at++) pixels[at] = sample(channels === 3 ? at : Math.floor(at / 3));
  return { width, height, pixels };
}

interface Header {
  width: number;
  height: number;
  maximum: number;
  /** Where the pixels begin. */
  start: number;
}

/** Three numbers after the mark, comments between them, one blank before the pixels. */
function readHeader(bytes: Uint8Array): Header | undefined {
  const numbers: number[] = [];
  let at = 2;
  while (numbers.length < 3) {
    while (isBlank(bytes[at]) || bytes[at] === HASH) at = bytes[at] === HASH ? endOfLine(bytes, at) : at + 1;
    let digits = '';
    for (; isDigit(bytes[at]) && digits.length < 9; at++) digits += String.fromCharCode(bytes[at] as number);
    if (digits === '') return undefined;
    numbers.push(Number(digits));
  }
  const [width = 0, height = 0, maximum = 0] = numbers;
  return isBlank(bytes[at]) ? { width, height, maximum, start: at + 1 } : undefined;
}

const HASH = 0x23;

function endOfLine(bytes: Uint8Array, from: number): number {
  const end = bytes.indexOf(0x0a, from);
  return end < 0 ? bytes.length : end;
}

function isBlank(byte: number | undefined): boolean {
  return byte === 0x20 || (byte !== undefined && byte >= 0x09 && byte <= 0x0d);
}

function isDigit(byte: number | undefined): boolean {
  return byte !== undefined && byte >= 0x30 && byte <= 0x39;
}
