import { test } from 'vitest';
import { resumeContest } from './resume-contest.js';

test('a run that is killed again and again ends with the bits of an unbroken one', { timeout: 240_000 }, () =>
  resumeContest('wasm', { name: 'cosface', margin: 0.2 }),
);

test('so does one whose loss carries moving averages along', { timeout: 240_000 }, () =>
  resumeContest('wasm', { name: 'adaface' }),
);
