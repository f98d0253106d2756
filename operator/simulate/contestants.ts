import { PenstockError } from '#common/errors.ts';
import type { WorkerPoolSpec } from '#crds/worker-pool.ts';
import { fixed, hpaDefaults, hpaOnUtilization, keda, kedaDefaults } from './peers.ts';
import type { Autoscaler } from './replay.ts';

/** The pool that a peer is put in front of. */
type Pool = {
  readonly spec: WorkerPoolSpec;
  readonly slots: number;
  readonly delaySeconds: number;
};

const grammar =
  'give keda, keda:lag=4,window=60,poll=1,cooldown=60,sync=15, hpa:target=70,window=300,sync=15, or fixed:8; lag is ' +
  'messages per replica, target percent of busy slots, the rest seconds';

const known: Readonly<Record<string, readonly string[]>> = {
  keda: ['lag', 'window', 'poll', 'cooldown', 'sync'],
  hpa: ['target', 'window', 'sync'],
};

/**
 * A peer by its text: `keda` and `hpa` with settings that default to theirs (a lag threshold of as many messages as a
 * replica has slots), or `fixed:N`.
 *
 * @throws PenstockError `InvalidPeer`
 */
export function parsePeer(text: string, { spec, slots, delaySeconds }: Pool): Autoscaler {
  const [kind = '', ...rest] = text.split(':');
  const list = rest.join(':');
  if (kind === 'fixed') return fixed(whole(list, text));
  const names = known[kind];
  if (names === undefined) throw invalid(text, `"${kind}" is no peer`);
  const set = settings(list, names, text);
  const name = list === '' ? undefined : `${kind === 'keda' ? 'KEDA' : 'HPA'} ${list}`;
  const common = {
    bounds: spec,
    delaySeconds,
    syncSeconds: set('sync', hpaDefaults.syncSeconds, 1),
    tolerance: hpaDefaults.tolerance,
    windowSeconds: set('window', hpaDefaults.windowSeconds, 0),
  };
  if (kind === 'hpa') {
    const targetPercent = set('target', hpaDefaults.targetPercent, 1);
    return hpaOnUtilization({ ...common, slots, targetPercent }, name);
  }
  const pollSeconds = set('poll', kedaDefaults.pollSeconds, 1);
  const cooldownSeconds = set('cooldown', kedaDefaults.cooldownSeconds, 0);
  return keda({ ...common, messagesPerReplica: set('lag', slots, 0.01), pollSeconds, cooldownSeconds }, name);
}

/** Reads `name=value,…`, and gives each value, or what stands for it when it is not there. */
function settings(
  list: string,
  names: readonly string[],
  text: string,
): (name: string, otherwise: number, least: number) => number {
  const given = new Map(
    list.split(',').flatMap((pair): readonly (readonly [string, string])[] => {
      const [name = '', value = ''] = pair.split('=');
      if (pair === '') return [];
      if (!names.includes(name)) throw invalid(text, `"${name}" is no setting of it`);
      return [[name, value]];
    }),
  );
  return (name, otherwise, least) => {
    const value = given.get(name);
    if (value === undefined) return otherwise;
    const number = value.trim() === '' ? Number.NaN : Number(value);
    if (number >= least && number <= 1_000_000 && (name === 'lag' || Number.isInteger(number))) return number;
    throw invalid(
      text,
      `${name} is "${value}", not a ${name === 'lag' ? '' : 'whole '}number from ${least} on`,
    );
  };
}

function whole(list: string, text: string): number {
  const replicas = list.trim() === '' ? Number.NaN : Number(list);
  if (Number.isInteger(replicas) && replicas >= 0 && replicas <= 100_000) return replicas;
  throw invalid(text, `"${list}" is no number of replicas from 0 to 100000`);
}

const invalid = (text: string, why: string): PenstockError =>
  new PenstockError('InvalidPeer', `peer "${text.slice(0, 80)}": ${why}; ${grammar}`);
