import { mkdtempSync, rmSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { relativeError, samplesToCheck } from './double-precision.js';
import { estimateCall } from './estimate-call.js';
import { UnavailableError } from './method.js';
import { PeerProcess } from './peer-process.js';
import { peerFiles, peersFolder, peersPython } from './peers-folder.js';
import { makeProblem } from './problem.js';
import { provideProblem, readInto, readProblem, writeProblem } from './problem-files.js';
import { type RowRequest, type RowSession, tooSlow } from './row-answers.js';
import { peerEnvironment } from './row-environment.js';
import { type LossRow, SCALE } from './rows.js';

/** What bench/peers/row.py answers to `call`. */
interface Call {
  ms: number;
  loss: number;
}

/**
 * A row that Python computes: starts its process, has it load, warm up and compute, and checks what it gives.
 *
 * @throws {UnavailableError} The peers have not been set up.
 */
export async function startPeer({
  row,
  scratch,
  limitMs,
}: Extract<RowRequest, { type: 'prepare' }>): Promise<RowSession> {
  const python = peersPython();
  if (!python)
    throw new UnavailableError(
      `the peers are not set up (${peersFolder()}). Fix: npx cosface bench setup-peers (4 GB of disk).`,
    );
  const peer = PeerProcess.start(python, peerFiles().row, {
    ...peerEnvironment(row),
    // What is compiled lies with the environment: not in this package, nor among what other programs have compiled.
    TORCHINDUCTOR_CACHE_DIR: join(peersFolder(), 'inductor'),
    PYTHONPYCACHEPREFIX: join(peersFolder(), 'bytecode'),
  });
  const own = mkdtempSync(join(tmpdir(), 'cosface-peer-'));
  try {
    const estimateMs = await estimateCall(row, (smaller) => callMs(peer, smaller, own));
    if (estimateMs > limitMs) return tooSlow(estimateMs, limitMs);
    const folder = provideProblem(scratch, row);
    const { isa, threads } = await load(peer, row, folder);
    // Compiles, where there is something to compile.
    await peer.ask({ do: 'call' });
    await peer.ask({ do: 'watch' });
    const { ms, loss } = await peer.ask<Call>({ do: 'call' });
    const { bytes: peakBytes } = await peer.ask<{ bytes: number }>({ do: 'peak' });
    const error = await check(peer, row, folder, own);
    return {
      answer: { type: 'ready', isa, threads, peakBytes, relativeError: error, loss, turnMs: ms },
      takeTurn: async () => (await peer.ask<Call>({ do: 'call' })).ms,
    };
  } finally {
    rmSync(own, { recursive: true });
  }
}

function load(peer: PeerProcess, row: LossRow, folder: string): Promise<{ isa: string; threads: number }> {
  const { method, batch, classes, dim, margin } = row;
  const threads = row.threads === 'all' ? availableParallelism() : row.threads;
  return peer.ask({ do: 'load', method, folder, batch, classes, dim, scale: SCALE, margin, threads });
}

/** What is compiled is estimated as it runs without that: compiling would take longer than the answer is worth. */
async function callMs(peer: PeerProcess, row: LossRow, folder: string): Promise<number> {
  writeProblem(folder, makeProblem(row));
  await load(peer, row.method === 'compile' ? { ...row, method: 'eager' } : row, folder);
  const calls = [await peer.ask<Call>({ do: 'call' }), await peer.ask<Call>({ do: 'call' })];
  return Math.min(...calls.map(({ ms }) => ms));
}

async function check(peer: PeerProcess, row: LossRow, folder: string, results: string): Promise<number> {
  const problem = readProblem(folder, row);
  const samples = samplesToCheck(problem);
  const { loss } = await peer.ask<{ loss: number }>({ do: 'check', samples, folder: results });
  const read = (name: string, length: number) => readInto(join(results, name), new Float32Array(length));
  return relativeError(problem, samples, {
    loss,
    dEmbeddings: read('d_embeddings.f32', row.batch * row.dim),
    dWeights: read('d_weights.f32', row.classes * row.dim),
  });
}
