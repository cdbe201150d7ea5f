import { Command } from 'commander';
import { ROW_COMMAND } from '../../bench/loss/row-client.js';
import { lossCommand } from './bench/loss.js';
import { setupPeersCommand } from './bench/setup-peers.js';

/** `cosface bench`: measures this package on the machine at hand. */
export function benchCommand(): Command {
  const bench = new Command('bench').description('Measure this package on this machine').exitOverride();
  bench.addCommand(lossCommand(), { isDefault: true });
  bench.addCommand(setupPeersCommand());
  bench.addCommand(rowCommand(), { hidden: true });
  return bench;
}

/** One row's process, which `measureLoss` starts; of no use by hand. */
function rowCommand(): Command {
  return new Command(ROW_COMMAND).action(async () => {
    const { runRowProcess } = await import('../../bench/loss/row-process.js');
    runRowProcess();
  });
}
