/** `npm run cluster`: see --help. */
import { spawnSync } from 'node:child_process';
import { Command, CommanderError, InvalidArgumentError } from 'commander';
import { describeError } from '#common/errors.ts';
import { programPath } from '../tools/serverProcess.ts';
import { bringDown, bringUp, readStatus } from './cluster.ts';
import type { ClusterStatus } from './cluster.ts';
import { placeOf } from './place.ts';
import { ensurePrerequisites } from './prerequisites.ts';

process.exit(await main(process.argv.slice(2)));

async function main(args: readonly string[]): Promise<number> {
  const command = new Command('npm run cluster --')
    .description(
      'A Kubernetes of one node on this machine, with the images of this repository: for Linux, as root.',
    )
    .option('--name <name>', 'which one, when there are several', clusterName, 'dev')
    .enablePositionalOptions()
    .exitOverride()
    .addHelpText(
      'after',
      `
It has namespaces of its own for network, mounts and processes, and one folder; nothing in it reaches another machine.
On Debian missing packages are installed. The API server is reached through a port of the loopback interface:

  npm run cluster -- up
  npm run cluster -- kubectl get pods --all-namespaces
  KUBECONFIG=$(npm run --silent cluster -- status --json | node -p 'JSON.parse(fs.readFileSync(0)).kubeconfig') helm list
  npm run cluster -- down

Exit code: 0 done; 1 failed, or (status) not running; 2 wrong arguments; that of kubectl.`,
    );
  let exitCode = 0;
  const place = (): ReturnType<typeof placeOf> => placeOf(command.opts<{ name: string }>().name);
  command
    .command('check')
    .description('Say what this machine lacks for a cluster; on Debian, install what can be installed.')
    .action(() => ensurePrerequisites(say));
  command
    .command('up')
    .description('Start it; quick when the images are built, and nothing to do when it runs.')
    .action(() => bringUp(place(), say));
  command
    .command('status')
    .description('Tell what runs.')
    .option('--json', 'as JSON', false)
    .action(({ json }: { json: boolean }) => {
      const status = readStatus(place());
      process.stdout.write(json ? `${JSON.stringify(status, null, 2)}\n` : renderStatus(status));
      exitCode = status.state === 'running' ? 0 : 1;
    });
  command
    .command('kubectl')
    .description('Run the pinned kubectl as its administrator.')
    .argument('[args...]')
    .helpOption(false)
    .allowUnknownOption()
    .passThroughOptions()
    .action((given: string[]) => {
      const options = [`--kubeconfig=${place().kubeconfig}`, ...given];
      exitCode = spawnSync(programPath('PENSTOCK_KUBECTL'), options, { stdio: 'inherit' }).status ?? 1;
    });
  command
    .command('down')
    .description('End it, and take away all that it has left, also after a crash.')
    .action(() => bringDown(place()));
  try {
    await command.parseAsync(args, { from: 'user' });
    return exitCode;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
    say(describeError(error));
    return 1;
  }
}

function say(line: string): void {
  process.stderr.write(`cluster: ${line}\n`);
}

function clusterName(given: string): string {
  if (/^[a-z0-9][a-z0-9-]{0,30}$/.test(given)) return given;
  throw new InvalidArgumentError('Give lower-case letters, digits and dashes, at most 31.');
}

function renderStatus({ name, state, folder, kubeconfig, components }: ClusterStatus): string {
  const lines = [`${name.padEnd(26)}${state}`];
  if (state !== 'absent') {
    lines.push(...Object.entries(components).map(([part, pid]) => `  ${part.padEnd(24)}${pid ?? '-'}`));
    lines.push(`  ${'folder'.padEnd(24)}${folder}`, `  ${'kubeconfig'.padEnd(24)}${kubeconfig}`);
  }
  return `${lines.join('\n')}\n`;
}
