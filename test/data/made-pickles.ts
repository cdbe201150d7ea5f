// Pickles of verification sets, byte by byte, so that reader and test share no code.

/** Four bytes, little-endian. */
export const u32 = (value: number): number[] => {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return [...bytes];
};

/** As Python 2 writes (bins, issame) with protocol 2: PROTO, list, memo, MARK, strings, APPENDS, bools, TUPLE2. */
export function pythonTwo(images: readonly Uint8Array[], same: readonly boolean[]): Buffer {
  const string = (image: Uint8Array, memo: number) => [
    ...(image.length < 256 ? [0x55, image.length] : [0x54, ...u32(image.length)]),
    ...image,
    0x72,
    ...u32(memo),
  ];
  const bins = images.flatMap((image, i) => string(image, i + 300));
  const flags = same.map((flag) => (flag ? 0x88 : 0x89));
  return Buffer.from([
    ...[0x80, 2, 0x5d, 0x71, 1, 0x28, ...bins, 0x65],
    ...[0x5d, 0x71, 2, 0x28, ...flags, 0x65, 0x86, 0x71, 3, 0x2e],
  ]);
}

/** As Python 3 writes it with protocol 4: FRAME, MEMOIZE, BINBYTES; one pair at a time with APPEND. */
export function pythonThree(images: readonly Uint8Array[], same: readonly boolean[]): Buffer {
  const body = [
    ...[0x5d, 0x94, 0x28],
    ...images.flatMap((image) => [0x42, ...u32(image.length), ...image, 0x94]),
    ...[0x65, 0x5d, 0x94],
    ...same.flatMap((flag) => [flag ? 0x88 : 0x89, 0x61]),
    ...[0x86, 0x94, 0x2e],
  ];
  return Buffer.from([0x80, 4, 0x95, ...u32(body.length), 0, 0, 0, 0, ...body]);
}
