import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { runCli } from '../cli/run-cli.js';
import { root } from '../native/built-package.js';
import { codeSamples, DOCUMENTS } from './code-samples.js';

const { scripts } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));

/** Lines of fences that are no program, and code within sentences; a `\` joins a line with the next. */
function shownCommands(document: string): string[] {
  const fenced = codeSamples(document)
    .filter(({ language }) => language === '' || language === 'sh')
    .flatMap(({ code }) => code.replaceAll(/\\\n\s*/g, '').split('\n'));
  const text = readFileSync(join(root, document), 'utf8').replaceAll(/^\s*```[\s\S]*?^\s*```/gm, '');
  const inline = Array.from(text.matchAll(/`([^`]+)`/g), ([, code]) => code!.replaceAll(/\s+/g, ' '));
  return [...fenced, ...inline].map((line) => line.replace(/ #.*$/, ''));
}

const commands = DOCUMENTS.flatMap((document) => shownCommands(document).map((line) => ({ document, line })));

const helpOf = new Map<string, string>();
function help(words: readonly string[]): string {
  const command = words.join(' ');
  if (!helpOf.has(command)) {
    const { status, stdout, stderr } = runCli([...words, '--help']);
    expect(status, `cosface ${command}: ${stderr}`).toBe(0);
    helpOf.set(command, stdout);
  }
  return helpOf.get(command)!;
}

/** The command and subcommand that a line's words begin with. */
function commandOf(words: readonly string[]): string[] {
  const name = words[0]!;
  expect(help([]), name).toMatch(new RegExp(`^  ${name} `, 'm'));
  const sub = /^[a-z][a-z-]+$/.exec(words[1] ?? '')?.[0];
  return sub && new RegExp(`^  ${sub} `, 'm').test(help([name])) ? [name, sub] : [name];
}

test('every cosface command shown has that name and those options', () => {
  let seen = 0;
  for (const { document, line } of commands) {
    const words = /(?:^|\s)(?:npx )?cosface ([a-z][a-z-]*(?: .*)?)$/.exec(line)?.[1]?.split(/[\s|[\]()]+/);
    if (!words) continue;
    const text = help(commandOf(words));
    for (const option of words.filter((word) => /^--[a-z]/.test(word)))
      expect(text, `${document}: ${line}`).toContain(option.split('=')[0]);
    seen++;
  }
  expect(seen).toBeGreaterThan(30);
}, 120_000);

test('every npm script and every program of the clone that is shown is there', () => {
  for (const { document, line } of commands) {
    const script = /npm run ([\w:-]+)/.exec(line)?.[1];
    if (script) expect(scripts, `${document}: ${line}`).toHaveProperty([script]);
    const program = /(?:node|vitest run|python3?|bash) ((?:bench|scripts|test|\.ci)\/[\w./-]+)/.exec(line)?.[1];
    if (program) expect(existsSync(join(root, program)), `${document}: ${line}`).toBe(true);
  }
});
