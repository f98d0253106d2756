import { homedir } from 'node:os';
import { delimiter, join } from 'node:path';
import type { Command } from 'commander';
import { images } from '../../test/cluster/images.ts';
import { compileConfig, demoCommand } from '../config.ts';
import type { DemoConfig } from '../config.ts';

export type KubernetesDemoConfig = DemoConfig & {
  /** An existing cluster; undefined brings one up. */
  readonly existing: { readonly kubeconfig: string; readonly context: string } | undefined;
  readonly images: DemoImages;
  /** Leave everything as it is at the end. */
  readonly keep: boolean;
};

export type DemoImages = { readonly operator: string; readonly worker: string; readonly nats: string };

/** @throws CommanderError for `--help` (exit code 0) and for arguments that do not fit; both are printed already. */
export function parseKubernetesConfig(args: readonly string[]): KubernetesDemoConfig {
  const command = demoCommand(
    'npm run demo:kubernetes --',
    'Replays a recorded arrival trace against workers on Kubernetes, while the operator scales them from zero and ' +
      'back: both charts, and a NATS server. Without --context a cluster is brought up on this machine (Linux, root) ' +
      'and taken down at the end.',
  )
    .option(
      '--context <name>',
      'a cluster of your kubeconfig; all goes into its namespace penstock-demo, which is made for it',
    )
    .option('--operator-image <image>', 'with --context: the operator, where the cluster finds it')
    .option('--worker-image <image>', 'with --context: the worker with examples/handlers/generate-tokens.ts')
    .option('--nats-image <image>', 'with --context: a nats-server with JetStream', 'nats:2.12')
    .option('--keep', 'leave everything running at the end, and say how to take it away', false)
    .parse(args, { from: 'user' });
  const options = command.opts<{
    context?: string;
    operatorImage?: string;
    workerImage?: string;
    natsImage: string;
    keep: boolean;
  }>();
  const { context, operatorImage, workerImage, natsImage, keep } = options;
  const config = { ...compileConfig(command), keep };
  if (context === undefined) {
    const stray = ['operatorImage', 'workerImage', 'natsImage'].filter(
      (option) => command.getOptionValueSource(option) === 'cli',
    );
    if (stray.length > 0) {
      return command.error('error: images are given with --context alone: a cluster of its own builds them');
    }
    return {
      ...config,
      existing: undefined,
      images: { operator: images.operator, worker: images.demo, nats: images.nats },
    };
  }
  if (operatorImage === undefined || workerImage === undefined) {
    return command.error(
      'error: --context needs --operator-image and --worker-image: docs/kubernetes.md says how to make them',
    );
  }
  return {
    ...config,
    existing: { kubeconfig: kubeconfigOf(command), context },
    images: { operator: operatorImage, worker: workerImage, nats: natsImage },
  };
}

/** Of the caller, as kubectl finds it; helm takes one file only. */
function kubeconfigOf(command: Command): string {
  const given = process.env['KUBECONFIG'] ?? '';
  const [file, another] = given.split(delimiter).filter((part) => part !== '');
  if (another !== undefined) {
    return command.error(
      `error: KUBECONFIG=${given} names several files and one is needed: ` +
        'kubectl config view --flatten writes them as one',
    );
  }
  return file ?? join(homedir(), '.kube/config');
}
