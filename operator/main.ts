import { KubeConfig } from '@kubernetes/client-node';
import { systemClock } from '#common/clock.ts';
import { PenstockError } from '#common/errors.ts';
import { exitCodeOf } from '#common/exitCode.ts';
import { createLogger } from '#common/log.ts';
import { listenForShutdown } from '#common/shutdown.ts';
import { readConfig } from './config.ts';
import { runKubernetesOperator } from './wiring/kubernetes.ts';

/** The operator on Kubernetes. Exit codes: 0 ended as asked, 1 failed or lost its lease, 2 wrong settings. */
async function main(): Promise<number> {
  try {
    const config = readConfig();
    const log = createLogger('penstock-operator', config.logLevel);
    using shutdown = listenForShutdown();
    const kubeConfig = new KubeConfig();
    kubeConfig.loadFromDefault();
    await runKubernetesOperator(config, kubeConfig, shutdown.requested, {
      clock: systemClock,
      log,
      random: Math.random,
    });
    return 0;
  } catch (error) {
    if (!(error instanceof PenstockError)) throw error;
    console.error(`penstock-operator: ${error.code}: ${error.message}`);
    return exitCodeOf(error);
  }
}

process.exit(await main());
