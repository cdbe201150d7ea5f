/**
 * Labelled face images, encoded as they are stored. Whatever is known of all the images is in memory; an image is read
 * when it is asked for.
 */
export interface FaceSet {
  /** How many images. */
  readonly size: number;
  /** The name of each identity; its place is its label, so labels have no gaps. */
  readonly identities: readonly string[];
  /** The identity of each image, [size]. */
  readonly labels: Int32Array;
  /** What opening it noticed: images left out and why, labels renumbered, names that look alike. */
  readonly notes: readonly string[];
  /** An image as messages and lists name it: a path below the root, or a file and key. */
  nameOf(index: number): string;
  /**
   * The encoded bytes of an image.
   *
   * @throws {CosFaceError} The file cannot be read, is empty or damaged; names it.
   */
  read(index: number): Promise<Uint8Array>;
  /** Lets go of open files. Afterwards nothing can be read. */
  close(): Promise<void>;
}
