import { expect, test } from 'vitest';
import { runCli } from './run-cli.js';

test.each([
  [['conjure'], "error: unknown command 'conjure'"],
  [['conjure', '--help'], "error: unknown command 'conjure'"],
  [['conjure', '-h'], "error: unknown command 'conjure'"],
  [['doctor', '--conjure'], "error: unknown option '--conjure'"],
  [['setup-tensorflow', '--wheel'], "error: option '--wheel <file>' argument missing"],
  [['doctor', 'me'], 'error: too many arguments'],
  [[], 'Usage: cosface'],
])('%j cannot be understood: exit status 2', (args, message) => {
  const { status, stdout, stderr } = runCli(args);
  expect(status).toBe(2);
  expect(stderr).toContain(message);
  expect(stdout).toBe('');
});

test.each([['--help'], ['build', '--help'], ['doctor', '--help'], ['setup-tensorflow', '--help'], ['help', 'doctor']])(
  '%s %s helps',
  (...args) => {
    const { status, stdout, stderr } = runCli(args);
    expect(status).toBe(0);
    expect(stdout).toContain('Usage: cosface');
    expect(stderr).toBe('');
  },
);

test('only commands that exist are listed', () => {
  const commands = runCli(['--help']).stdout.matchAll(/^ {2}([a-z-]+) .*$/gm);
  for (const [, name = ''] of commands) expect(runCli([name, '--help']).status, name).toBe(0);
});
