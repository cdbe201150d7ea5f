// The page of the first run.

function table(header, rows) {
  const rule = header.map((_, column) => (column === 0 ? '---' : '---:'));
  return [header, rule, ...rows]
    .map((cells) => `| ${cells.map((cell) => String(cell ?? '')).join(' | ')} |`)
    .join('\n');
}

function block(text) {
  return ['```', text, '```'].join('\n');
}

function phaseLines({ name, outcome, reason, seconds, output, runs = [] }) {
  const lines = [`## ${name}: ${outcome} (${seconds.toFixed(1)} s)`];
  if (reason) lines.push(block(reason));
  if (output) lines.push(block(output));
  if (runs.length > 0)
    lines.push(
      table(
        ['program', 'passed', 'failed', 'skipped', 's', 'fault'],
        runs.map((run) => [run.name, run.passed, run.failed, run.skipped, run.seconds.toFixed(1), run.fault]),
      ),
    );
  for (const run of runs) if (run.output) lines.push(run.name, block(run.output));
  return lines;
}

function shapeTable(rows) {
  const cells = rows.map((row) => {
    if (row.fault) return [row.name, row.fault.split('\n')[0], '', '', '', ''];
    const errors = row.errors ? Object.values(row.errors).map((error) => error.toExponential(1)) : [];
    return [
      row.name,
      row.medianMs.toFixed(3),
      row.spreadMs.toFixed(3),
      (row.flopsPerSecond / 1e12).toFixed(2),
      row.shareOfPeak ? `${(100 * row.shareOfPeak).toFixed(1)} %` : '',
      errors.join(' '),
    ];
  });
  return table(['row', 'median ms', 'IQR ms', 'Tflop/s', 'of the peak', 'errors: loss, dx, dw'], cells);
}

function timingLines(rows) {
  const nameOf = ({ batch, classes, dim }) => `${batch} x ${classes.toLocaleString('en-US')}, D ${dim}`;
  return [...new Set(rows.map(nameOf))].flatMap((shape) => [
    `### ${shape}`,
    shapeTable(rows.filter((row) => nameOf(row) === shape)),
  ]);
}

function deviceLine({
  name,
  capability,
  multiprocessors,
  clockKhz,
  memoryBytes,
  driver,
  driverFile,
  toolkit,
  architectures,
}) {
  return (
    `${name}, capability ${(capability / 10).toFixed(1)}, ${multiprocessors} multiprocessors${clockKhz ? ` at ${(clockKhz / 1000).toFixed(0)} MHz` : ''}, ` +
    `${(memoryBytes / 2 ** 30).toFixed(1)} GiB. Driver ${driver} (${driverFile}); kernels by toolkit ${toolkit}: ${architectures || 'none'}.`
  );
}

/** @param report - what first-run.mjs writes as JSON. */
export function markdownOf({ emulated, date, commit, command, device, peak, peers, phases, rows }) {
  const lines = [
    '# First run on a GPU',
    emulated
      ? "**A rehearsal: no GPU. The kernels were executed under emulation, and the times are the emulator's.**"
      : 'Figures were measured on the device named here, and on no other.',
    `${date}, commit ${commit}, \`${command}\``,
    device ? deviceLine(device) : 'No device was opened.',
    ...phases.flatMap(phaseLines),
  ];
  if (rows.length > 0)
    lines.push(
      '## Times',
      'One step: loss and both gradients, arrays on the device, until everything is done; wall time. Rows of a shape take ' +
        'turns, but for shapes of more than 1e8 logits, whose rows run one after the other. Flops are 6NCD (loss alone: 2NCD).',
      `Peak, half precision, dense, by clock and multiprocessors: ${peak ? `${(peak / 1e12).toFixed(0)} Tflop/s` : 'not known'}.` +
        (peers
          ? ` One large product by PyTorch ${peers.torch}: ${(peers.flops / 1e12).toFixed(0)} Tflop/s.`
          : ' PyTorch is not installed.'),
      ...timingLines(rows),
    );
  return `${lines.join('\n\n')}\n`;
}
