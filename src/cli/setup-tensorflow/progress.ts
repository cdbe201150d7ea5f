import { Presets, SingleBar } from 'cli-progress';

/** Tells a person how far the work is; says nothing where standard error is no terminal. */
export interface Progress {
  /** A new stage begins. */
  stage(title: string): void;
  /** So many bytes of the stage are done; `total` where it is known. */
  bytes(done: number, total?: number): void;
  /** The stage is over. */
  end(): void;
}

const MEGABYTE = 1e6;

export function terminalProgress(stream: NodeJS.WriteStream = process.stderr): Progress {
  if (!stream.isTTY) return { stage: () => {}, bytes: () => {}, end: () => {} };
  let title = '';
  let bar: SingleBar | undefined;
  const end = () => {
    bar?.stop();
    bar = undefined;
  };
  return {
    stage(next) {
      end();
      title = next;
      stream.write(`${title}\n`);
    },
    bytes(done, total = 0) {
      if (!bar) {
        const format = total > 0 ? '  {bar} {value}/{total} MB, {eta} s left' : '  {value} MB';
        bar = new SingleBar({ format, stream, clearOnComplete: true, hideCursor: null }, Presets.shades_classic);
        bar.start(Math.round(total / MEGABYTE), 0);
      }
      bar.update(Math.round(done / MEGABYTE));
    },
    end,
  };
}
