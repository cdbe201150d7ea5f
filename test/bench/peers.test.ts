import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { PeerProcess } from '../../bench/loss/peer-process.js';
import { startPeer } from '../../bench/loss/peer-session.js';
import { peersPython } from '../../bench/loss/peers-folder.js';
import type { RowSession } from '../../bench/loss/row-answers.js';
import { type LossRow, PEER_METHODS, rowOf } from '../../bench/loss/rows.js';
import { runCli } from '../cli/run-cli.js';

const shape = { batch: 12, classes: 33, dim: 20 };

function peerRow(method: (typeof PEER_METHODS)[number], given: Partial<LossRow> = {}): LossRow {
  const without = method === 'linear-cross-entropy' ? ({ margin: 0, state: 'early' } as const) : {};
  return rowOf(shape, { backend: 'pytorch', method, ...without, ...given });
}

async function sessionOf(row: LossRow): Promise<RowSession> {
  const scratch = mkdtempSync(join(tmpdir(), 'cosface-peers-test-'));
  try {
    return await startPeer({ type: 'prepare', row, scratch, limitMs: 1e5 });
  } finally {
    rmSync(scratch, { recursive: true });
  }
}

describe.skipIf(!peersPython())('with the peers (npx cosface bench setup-peers)', { timeout: 240_000 }, () => {
  test.each(PEER_METHODS)('%s is the loss that its row says', async (method) => {
    const session = await sessionOf(peerRow(method));
    expect(session.answer).toMatchObject({ type: 'ready', isa: expect.stringMatching(/^torch-\d/) });
    if (session.answer.type !== 'ready') return;
    expect(session.answer.relativeError).toBeLessThan(1e-5);
    expect(session.answer.loss).toBeGreaterThan(0);
    expect(await session.takeTurn()).toBeGreaterThan(0);
  });

  test('a peer computes with the margin of its row, or says that it has none', async () => {
    const [usual, small] = [await sessionOf(peerRow('eager')), await sessionOf(peerRow('eager', { margin: 0.1 }))];
    expect(small.answer).toMatchObject({ type: 'ready' });
    if (usual.answer.type !== 'ready' || small.answer.type !== 'ready') return;
    expect(small.answer.relativeError).toBeLessThan(1e-5);
    expect(small.answer.loss as number).toBeLessThan(usual.answer.loss as number);
    await expect(sessionOf(peerRow('linear-cross-entropy', { margin: 0.2 }))).rejects.toThrow(/has no margin/);
  });
});

test('a process that dies says what it wrote last', async () => {
  const peer = PeerProcess.start(process.execPath, '-e', {});
  await expect(peer.ask({ do: 'call' })).rejects.toThrow(/has ended\n.*-e requires an argument/s);
});

test('without the environment the rows say how to get it', async () => {
  const row = peerRow('eager');
  const before = process.env['COSFACE_CACHE'];
  process.env['COSFACE_CACHE'] = join(tmpdir(), 'no-such-cosface-cache');
  try {
    await expect(startPeer({ type: 'prepare', row, scratch: '', limitMs: 1 })).rejects.toThrow(/bench setup-peers/);
  } finally {
    if (before === undefined) delete process.env['COSFACE_CACHE'];
    else process.env['COSFACE_CACHE'] = before;
  }
});

test('setup-peers without a Python names the remedy', () => {
  const { status, stderr } = runCli(['bench', 'setup-peers'], {
    PYTHON: '/no/such/python',
    COSFACE_CACHE: join(tmpdir(), 'no-such-cosface-cache'),
  });
  expect(stderr).toMatch(/no Python 3\.\d+ or later was found/);
  expect(status).toBe(1);
});
