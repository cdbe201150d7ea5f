import { dataError } from './data-error.js';

/** Bytes before the labels: u32 flag, f32 label, u64 id, u64 id2. */
export const HEADER_BYTES = 24;

/** What MXNet's `recordio.pack` put into a record. */
export interface PackedRecord {
  /** How many labels stand before the payload; 0 where the header's own label is the only one. */
  flag: number;
  /** `flag` labels, or the header's own. */
  labels: Float32Array;
  /** The encoded image; empty in an index record. */
  payload: Uint8Array;
}

/**
 * Takes a record apart.
 *
 * @param place - the record, for messages.
 * @throws {CosFaceError} COSFACE_RECORD: it is too short for its header, or for the labels it says it has.
 */
export function unpackRecord(record: Uint8Array, place: string): PackedRecord {
  if (record.length < HEADER_BYTES) {
    const what = `it has ${record.length} bytes, expected a header of ${HEADER_BYTES} and an image.`;
    throw dataError('COSFACE_RECORD', place, what);
  }
  const view = new DataView(record.buffer, record.byteOffset, record.byteLength);
  const flag = view.getUint32(0, true);
  const room = Math.floor((record.length - HEADER_BYTES) / 4);
  if (flag > room) {
    throw dataError('COSFACE_RECORD', place, `its header announces ${flag} labels, but there is room for ${room}.`);
  }
  const labels = new Float32Array(Math.max(1, flag));
  const first = flag === 0 ? 4 : HEADER_BYTES;
  for (let i = 0; i < labels.length; i++) labels[i] = view.getFloat32(first + 4 * i, true);
  return { flag, labels, payload: record.subarray(HEADER_BYTES + 4 * flag) };
}
