/** `npm run demo:kubernetes`: see --help. The same as `npm run demo`, on a cluster, by the charts. */
import { present } from '../present.ts';
import { parseKubernetesConfig } from './config.ts';
import { runKubernetesDemo } from './run.ts';

process.exit(
  await present(() => {
    const config = parseKubernetesConfig(process.argv.slice(2));
    return { config, run: (view, shutdown, clock) => runKubernetesDemo(config, view, shutdown, clock) };
  }),
);
