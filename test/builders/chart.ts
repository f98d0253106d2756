import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { parseAllDocuments } from 'yaml';
import { programPath } from '../tools/serverProcess.ts';
import { fromRoot } from './program.ts';

export type Chart = 'penstock' | 'penstock-worker';
export type Values = Readonly<Record<string, unknown>>;

export type Manifest = {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly namespace?: string };
  readonly [field: string]: unknown;
};

/**
 * What an installation of the chart would send to the API server; the release is named `test`.
 *
 * @throws Error with helm's own message when the chart refuses the values.
 */
export async function render(chart: Chart, values: Values, namespace = 'default'): Promise<Manifest[]> {
  const text = await helm('template', chart, values, ['test'], ['--namespace', namespace]);
  return parseAllDocuments(text)
    .map((document) => document.toJS() as Manifest | null)
    .filter((manifest) => manifest !== null);
}

/** @throws Error with helm's own message when there is a mistake. */
export async function lint(chart: Chart, values: Values): Promise<void> {
  await helm('lint', chart, values, ['--strict']);
}

export type ReleaseTarget = {
  readonly kubeconfig: string;
  /** Default: the current one. */
  readonly context?: string;
  readonly namespace: string;
};

/** Installs, upgrades, tests or uninstalls on a cluster, as the user of the kubeconfig. */
export async function release(
  command: 'install' | 'upgrade' | 'test' | 'uninstall',
  name: string,
  target: ReleaseTarget,
  what?: { readonly chart: Chart; readonly values: Values },
): Promise<void> {
  const { kubeconfig, context, namespace } = target;
  const access = context === undefined ? [] : ['--kube-context', context];
  const to = ['--kubeconfig', kubeconfig, ...access, '--namespace', namespace];
  if (what === undefined) await run([command, name, ...to]);
  else await helm(command, what.chart, what.values, [name], [...to, ...createNamespace(command)]);
}

const createNamespace = (command: string): string[] => (command === 'install' ? ['--create-namespace'] : []);

async function helm(
  command: string,
  chart: Chart,
  values: Values,
  before: readonly string[],
  after: readonly string[] = [],
): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'penstock-values-'));
  try {
    const file = join(folder, 'values.json');
    await writeFile(file, JSON.stringify(values));
    return await run([command, ...before, fromRoot(`charts/${chart}`), '--values', file, ...after]);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** With nothing of the caller's own helm, and no cluster of his. */
async function run(args: readonly string[]): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'penstock-helm-'));
  try {
    // The rest is for logins of a kubeconfig, which may be programs with files in the home folder.
    const others = Object.entries(process.env).filter(([name]) => !/^(HELM|KUBE)/.test(name));
    const homes = ['HELM_CACHE_HOME', 'HELM_CONFIG_HOME', 'HELM_DATA_HOME', 'KUBECACHEDIR'];
    const own = Object.fromEntries(homes.map((name) => [name, folder]));
    const env = { ...Object.fromEntries(others), ...own };
    return (await promisify(execFile)(programPath('PENSTOCK_HELM'), args, { env })).stdout;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
