import { describe, expect, test } from 'vitest';
import {
  combine,
  formatProblem,
  parsePolicies,
  readPolicyFile,
} from '../../../../../operator/platform/local/policyFiles.ts';

const pool = `apiVersion: penstock.dev/v1alpha1
kind: WorkerPool
metadata: {name: thumbnails}
spec:
  scaleTargetRef: {apiVersion: penstock.dev/v1alpha1, kind: LocalProcess, name: thumbnails}
  sources:
  - {connection: nats, stream: IMAGES, consumer: thumbnails}
  minReplicas: 0
  maxReplicas: 4
`;
const connection = `---
apiVersion: penstock.dev/v1alpha1
kind: NatsConnection
metadata: {name: nats}
spec: {servers: ['nats://127.0.0.1:4222']}
`;
const workload = `---
apiVersion: penstock.dev/v1alpha1
kind: LocalProcess
metadata: {name: thumbnails}
spec: {command: [node, worker.js]}
`;

const read = (text: string): string[] => {
  const parsed = parsePolicies('policy.yaml', text);
  return [...parsed.problems, ...combine([parsed.policies]).problems].map(formatProblem);
};

test('a pool with its connection and its process is taken, with every default filled in', () => {
  const { policies, problems } = parsePolicies('policy.yaml', pool + connection + workload);
  expect(problems).toEqual([]);
  expect(combine([policies]).problems).toEqual([]);
  expect(policies.pools[0]?.resource.spec).toMatchObject({
    objective: { drainSeconds: 60, utilizationPercent: 95 },
    prior: { concurrency: 1, serviceMilliseconds: 1_000, startSeconds: 5 },
    zero: { activationMessages: 0, idleSeconds: 30 },
    mode: 'Auto',
  });
});

describe('a mistake is named with file, line, field, value and remedy', () => {
  const all = pool + connection + workload;
  const cases: Record<string, { text: string; says: RegExp }> = {
    'a field that does not exist': {
      text: all.replace('maxReplicas: 4', 'maxReplicas: 4\n  maxReplica: 5'),
      says: /^policy\.yaml:10: spec\.maxReplica: there is no such field; use .*, maxReplicas, .* \(found 5\)$/,
    },
    'a field that does not exist, inside a list': {
      text: all.replace('stream: IMAGES', 'stream: IMAGES, durable: work'),
      says: /spec\.sources\.0\.durable: there is no such field; use connection, stream, consumer\b/,
    },
    'a number that is not one': {
      text: all.replace('maxReplicas: 4', 'maxReplicas: many'),
      says: /^policy\.yaml:9: spec\.maxReplicas: .*expected number.*\(found "many"\)$/,
    },
    'more at least than at most': {
      text: all.replace('minReplicas: 0', 'minReplicas: 9'),
      says: /^policy\.yaml:8: spec\.minReplicas: minReplicas \(9\) must not exceed maxReplicas \(4\)/,
    },
    'no maximum': {
      text: all.replace('  maxReplicas: 4\n', ''),
      says: /^policy\.yaml:\d+: spec\.maxReplicas: /,
    },
    'a stream name that would reach another subject': {
      text: all.replace('stream: IMAGES', 'stream: "IMAGES.>"'),
      says: /^policy\.yaml:7: spec\.sources\.0\.stream: must not contain .*\(found "IMAGES\.>"\)$/,
    },
    'the same consumer twice': {
      text: all.replace(
        '  minReplicas',
        '  - {connection: nats, stream: IMAGES, consumer: thumbnails}\n  minReplicas',
      ),
      says: /^policy\.yaml:7: spec\.sources: names the same consumer twice/,
    },
    'more sources than one pool can have': {
      text: all.replace(
        '  minReplicas',
        `${Array.from({ length: 8 }, (_, n) => `  - {connection: nats, stream: IMAGES, consumer: c${n}}`).join('\n')}\n  minReplicas`,
      ),
      says: /^policy\.yaml:7: spec\.sources: must have at most 8 entries, as each is read in every pass, .*; give the others a WorkerPool/,
    },
    'a connection that is not there': {
      text: pool + workload,
      says: /^policy\.yaml:7: spec\.sources\.0\.connection: there is no NatsConnection "nats" in namespace default$/,
    },
    'a target that is not there': {
      text: pool + connection,
      says: /^policy\.yaml:5: spec\.scaleTargetRef\.name: there is no LocalProcess "thumbnails"/,
    },
    'a pool to feed that is not there': {
      text: all.replace('  maxReplicas: 4', '  feeds: [encode]\n  maxReplicas: 4'),
      says: /^policy\.yaml:\d+: spec\.feeds\.0: there is no WorkerPool "encode" in namespace default$/,
    },
    'a schedule in no time zone': {
      text: all.replace(
        '  maxReplicas: 4',
        '  schedules: [{name: a, timeZone: Mars, start: "0 8 * * *", end: "0 9 * * *", minReplicas: 1}]\n  maxReplicas: 4',
      ),
      says: /^policy\.yaml:\d+: spec\.schedules\.0\.start: "Mars" is no time zone/,
    },
    'a target that lives on a cluster': {
      text: all.replace('kind: LocalProcess, name', 'kind: Deployment, name'),
      says: /^policy\.yaml:5: spec\.scaleTargetRef\.kind: Deployment lives on a cluster/,
    },
    'two pools on one target': {
      text: `${all}---\n${pool.replace('{name: thumbnails}', '{name: second}')}`,
      says: /^policy\.yaml:\d+: spec\.scaleTargetRef\.name: "thumbnails" is scaled by pool thumbnails already$/,
    },
    'two pools of one name': {
      text: `${all}---\n${pool}`,
      says: /^policy\.yaml:23: metadata\.name: WorkerPool default\/thumbnails stands here a second time/,
    },
    'a kind that is not known': {
      text: all.replace('kind: NatsConnection', 'kind: NatsConnections'),
      says: /^policy\.yaml:12: kind: "NatsConnections" is not known; use WorkerPool/,
    },
    'an address with user information': {
      text: all.replace('nats://127.0.0.1', 'nats://me:secret@127.0.0.1'),
      says: /^policy\.yaml:14: spec\.servers\.0: must look like nats:\/\/HOST:PORT/,
    },
    'text that is not YAML': { text: 'spec: {', says: /^policy\.yaml:1: / },
  };
  test.each(Object.entries(cases))('%s', (_, { text, says }) => {
    expect(read(text)).toContainEqual(expect.stringMatching(says));
  });
});

test('a mistake in one document leaves the others', () => {
  const { policies, problems } = parsePolicies(
    'p.yaml',
    pool.replace('maxReplicas: 4', 'maxReplicas: -1') + connection + workload,
  );
  expect(problems.map(({ field }) => field)).toContain('spec.maxReplicas');
  expect(policies.pools).toHaveLength(0);
  expect(policies.connections).toHaveLength(1);
  expect(policies.processes).toHaveLength(1);
});

test('a file that is not there is named', () => {
  expect(readPolicyFile('no/such/file.yaml').problems.map(formatProblem)).toEqual([
    expect.stringMatching(/^no\/such\/file\.yaml: ENOENT/),
  ]);
});

test('an alias bomb does not fill the memory', () => {
  const levels = Array.from({ length: 12 }, (_, i) => {
    const item = i === 0 ? 'x' : `*a${i - 1}`;
    return `a${i}: &a${i} [${Array.from({ length: 10 }, () => item).join(', ')}]`;
  });
  expect(parsePolicies('p.yaml', levels.join('\n')).problems).toHaveLength(1);
});
