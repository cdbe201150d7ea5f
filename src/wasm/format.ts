/** The text at an address, up to its final 0. */
export function readText(memory: ArrayBuffer, address: number): string {
  const bytes = new Uint8Array(memory, address);
  return String.fromCharCode(...bytes.subarray(0, bytes.indexOf(0)));
}

/** Writes at most `size` bytes, the last of them 0. */
export function writeText(memory: ArrayBuffer, { at, size }: { at: number; size: number }, text: string): void {
  const bytes = new Uint8Array(memory, at, size);
  const length = Math.min(text.length, size - 1);
  for (let i = 0; i < length; i++) bytes[i] = text.charCodeAt(i);
  bytes[length] = 0;
}

/** printf for what native/cpu writes in errors: %s, %.40s, %d, %lld, %g. `values` is a va_list of wasm32. */
export function formatted(memory: ArrayBuffer, template: number, values: number): string {
  const view = new DataView(memory);
  let at = values;
  const take = (bytes: number) => {
    at = Math.ceil(at / bytes) * bytes + bytes;
    return at - bytes;
  };
  return readText(memory, template).replace(/%(?:\.(\d+))?(lld|d|g|s)/g, (_, longest, kind) => {
    if (kind === 'lld') return String(view.getBigInt64(take(8), true));
    if (kind === 'd') return String(view.getInt32(take(4), true));
    if (kind === 'g') return String(Number(view.getFloat64(take(8), true).toPrecision(6)));
    return readText(memory, view.getUint32(take(4), true)).slice(
      0,
      longest === undefined ? undefined : Number(longest),
    );
  });
}
