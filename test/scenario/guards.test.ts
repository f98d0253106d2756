import { describe, expect, it } from 'vitest';
import { stageOf } from '../../operator/decide/stage.ts';
import type { Stage } from '../../operator/decide/stage.ts';
import type { ConsumerFacts } from '../../operator/observe/observation.ts';
import { seededRandom } from '../../operator/simulate/random.ts';
import { spec } from '../builders/spec.ts';
import { tell } from './run.ts';
import type { Story, Told } from './run.ts';

const seeds = Array.from({ length: 5 }, (_, index) => index + 1);
const within = (atMs: number, from: number, to: number): boolean => atMs >= from * 1_000 && atMs < to * 1_000;

/** 12 jobs/s of half a second for replicas of two slots: about five are right. */
function story(seed: number, model: Partial<Story['model']>, more: Partial<Story> = {}): Story {
  const arrivals = seededRandom(seed + 100_000);
  return {
    spec: spec({ maxReplicas: 40, prior: { concurrency: 2, serviceMilliseconds: 500 } }),
    model: {
      random: seededRandom(seed),
      serviceMs: 500,
      slots: 2,
      startMs: 2_000,
      hasHeartbeats: true,
      ...model,
    },
    seconds: 420,
    arrivals: () => arrivals.poisson(12),
    ...more,
  };
}

/** Seconds in which a condition was reported. */
const seconds = ({ decisions }: Told, condition: string): number[] =>
  decisions.flatMap(({ diagnosis }, second) =>
    diagnosis.some(({ type }) => type === condition) ? [second] : [],
  );
const others = [
  'DownstreamSaturated',
  'WorkersIdle',
  'AckWaitTooShort',
  'PoisonMessages',
  'AckPendingLimited',
];

describe('attempts that fail, two of three, for two minutes', () => {
  const storm = (atMs: number): number => (within(atMs, 120, 240) ? 0.67 : 0);

  it.each(seeds)('are named as the cause, and no longer than they last (seed %i)', (seed) => {
    const told = tell(story(seed, { failShare: storm }));
    const reported = seconds(told, 'RetryAmplified');
    expect(reported.length).toBeGreaterThan(60);
    expect(reported[0]).toBeGreaterThan(120);
    expect(reported.at(-1)).toBeLessThan(360);
    for (const other of others.slice(1)) expect(seconds(told, other)).toEqual([]);
    expect(told.backlog.at(-1)).toBeLessThan(60);
  });

  it('get fewer replicas than without the guard, and all jobs are done', () => {
    const peak = (mode: 'Enforce' | 'Disabled'): number => {
      const policy = spec({
        maxReplicas: 40,
        prior: { concurrency: 2, serviceMilliseconds: 500 },
        guards: { retries: mode, downstream: 'Disabled' },
      });
      return Math.max(...tell(story(1, { failShare: storm }, { spec: policy })).replicas.slice(100));
    };
    expect(peak('Enforce')).toBeLessThanOrEqual(peak('Disabled'));
  });

  it.each([
    { title: 'one attempt in ten', failShare: () => 0.1 },
    { title: 'no attempt', failShare: () => 0 },
  ])('are not seen where $title fails', ({ failShare }) => {
    for (const seed of seeds) {
      expect(seconds(tell(story(seed, { failShare })), 'RetryAmplified')).toEqual([]);
    }
  });
});

describe('a consumer that is paused for a minute', () => {
  const isPaused = (atMs: number): boolean => within(atMs, 120, 180);

  it.each(seeds)('gets no replicas for what piles up, and is worked off afterwards (seed %i)', (seed) => {
    const told = tell(story(seed, { isPaused }));
    const reported = seconds(told, 'WorkersIdle');
    expect(reported.length).toBeGreaterThan(50);
    expect(reported[0]).toBeGreaterThanOrEqual(119);
    expect(reported.at(-1)).toBeLessThanOrEqual(182);
    const before = told.replicas[119] ?? 0;
    expect(Math.max(...told.replicas.slice(122, 178))).toBeLessThanOrEqual(before);
    expect(told.decisions[176]?.message).toContain('the consumer is paused');
    expect(told.backlog.at(-1)).toBeLessThan(60);
  });
});

describe('a limit of unacknowledged messages that feeds four replicas', () => {
  const rush = (second: number): number => (second < 300 ? 20 : 4);

  it.each(seeds)('is named as the cause, and no longer than it limits (seed %i)', (seed) => {
    const told = tell(story(seed, { maxAckPending: 8 }, { arrivals: rush, seconds: 600 }));
    const reported = seconds(told, 'AckPendingLimited');
    expect(reported.length).toBeGreaterThan(200);
    expect(reported.at(-1)).toBeLessThan(420);
    for (const other of others.slice(1).filter((type) => type !== 'AckPendingLimited')) {
      expect(seconds(told, other)).toEqual([]);
    }
    // What it took before the limit was in use is given back, and no more is asked for.
    expect(Math.max(...told.replicas.slice(30, 300))).toBeLessThanOrEqual(
      Math.max(...told.replicas.slice(0, 30)),
    );
    expect(told.backlog.at(-1)).toBeLessThan(60);
  });

  it('is not seen where it is wide enough', () => {
    for (const seed of seeds) {
      expect(seconds(tell(story(seed, { maxAckPending: 60 })), 'AckPendingLimited')).toEqual([]);
    }
  });
});

describe('jobs that outlast the ack wait', () => {
  const heavy = { serviceMs: 2_500, ackWaitMs: 3_000 };
  const few = { arrivals: () => 4 };

  it.each(seeds)('are named as the cause, where workers do not extend it (seed %i)', (seed) => {
    const told = tell(story(seed, { ...heavy, extendsAckWait: false }, few));
    expect(seconds(told, 'AckWaitTooShort').length).toBeGreaterThan(300);
    for (const other of others.slice(1).filter((type) => type !== 'AckWaitTooShort')) {
      expect(seconds(told, other)).toEqual([]);
    }
    const { diagnosis } = told.decisions.at(-1) ?? { diagnosis: [] };
    const remedies = diagnosis.find(({ type }) => type === 'AckWaitTooShort')?.remedies ?? [];
    expect(remedies).toHaveLength(1);
    expect(remedies[0]?.to).toBeGreaterThan(6);
  });

  it.each([
    { title: 'extended by the workers', model: heavy },
    { title: 'long enough', model: { ...heavy, ackWaitMs: 30_000, extendsAckWait: false } },
    {
      title: 'longer than each of many failing attempts',
      model: { failShare: () => 0.4, extendsAckWait: false },
    },
  ])('are not seen where it is $title', ({ model }) => {
    for (const seed of seeds) expect(seconds(tell(story(seed, model, few)), 'AckWaitTooShort')).toEqual([]);
  });

  it('are forgotten when they are short again', () => {
    const serviceMs = (atMs: number): number => (atMs < 120_000 ? 2_500 : 100);
    const told = tell(story(1, { ...heavy, serviceMs, extendsAckWait: false }, few));
    const reported = seconds(told, 'AckWaitTooShort');
    expect(reported.length).toBeGreaterThan(60);
    expect(reported.at(-1)).toBeLessThan(360);
  });
});

/** The last message before one that is not resolved from then on; about the 60th second at 12 jobs/s. */
const floorBefore = 720;

/**
 * The message after `floorBefore` is not resolved before `until`: the ack floor waits for it, as a server's does, and
 * unlike the model's, which counts what is resolved.
 */
function unresolved(until: number, tries: (second: number) => number): NonNullable<Story['disturb']> {
  let heldFrom: number | undefined;
  const hold = (facts: ConsumerFacts, second: number): ConsumerFacts => {
    if (heldFrom === undefined && facts.ackFloorStreamSeq > floorBefore) heldFrom = second;
    if (heldFrom === undefined) return facts;
    const retries = tries(Math.min(second, until) - heldFrom);
    const told = { ...facts, deliveredConsumerSeq: facts.deliveredConsumerSeq + retries };
    if (second >= until) return told;
    return {
      ...told,
      ackFloorStreamSeq: floorBefore,
      ackPending: facts.ackPending + 1,
      redelivered: facts.redelivered + Math.min(retries, 1),
    };
  };
  return (observation, second) => ({
    ...observation,
    sources: observation.sources.map((source) => {
      const { consumer } = source;
      if (consumer.kind !== 'seen') return source;
      return { ...source, consumer: { ...consumer, value: hold(consumer.value, second) } };
    }),
  });
}

/** A worker tells of a job that has been running since `start`. */
function runningSince(start: number, before: NonNullable<Story['disturb']>): NonNullable<Story['disturb']> {
  return (observation, second) => {
    const told = before(observation, second);
    const runningMs = Math.max(0, second - start) * 1_000;
    const sources = told.sources.map((source) => ({
      ...source,
      heartbeats: source.heartbeats.map((heard, index) => ({
        ...heard,
        heartbeat: index === 0 ? { ...heard.heartbeat, oldestRunningMs: runningMs } : heard.heartbeat,
      })),
    }));
    return { ...told, sources };
  };
}

describe('one message that fails again and again while others pass', () => {
  const goneAt = 500;
  const everySecond = (second: number): number => second;
  const never = (): number => 0;
  const failing = (seed: number, more: Partial<Story> = {}): Story =>
    story(seed, {}, { disturb: unresolved(goneAt, everySecond), seconds: 600, ...more });

  it.each(seeds)('is named as the cause after five minutes, until it is gone (seed %i)', (seed) => {
    const told = tell(failing(seed));
    const reported = seconds(told, 'PoisonMessages');
    // The floor gets to the message at about the 60th second.
    expect(reported[0]).toBeGreaterThanOrEqual(350);
    expect(reported[0]).toBeLessThan(375);
    expect(reported.at(-1)).toBe(goneAt - 1);
    expect(reported).toHaveLength(goneAt - (reported[0] ?? 0));
    const { diagnosis } = told.decisions[goneAt - 1] ?? { diagnosis: [] };
    expect(diagnosis.find(({ type }) => type === 'PoisonMessages')?.message).toContain(
      `message ${floorBefore + 1} of `,
    );
    for (const other of [...others.filter((type) => type !== 'PoisonMessages'), 'RetryAmplified']) {
      expect(seconds(told, other)).toEqual([]);
    }
  });

  it.each(seeds)('changes no replicas, not even in a rush (seed %i)', (seed) => {
    const sizes = (poison: 'Enforce' | 'Disabled'): Told => {
      const policy = spec({
        maxReplicas: 40,
        prior: { concurrency: 2, serviceMilliseconds: 500 },
        guards: { poison },
      });
      const arrivals = seededRandom(seed + 100_000);
      const rush = (second: number): number => arrivals.poisson(second >= 400 && second < 460 ? 40 : 12);
      return tell(failing(seed, { spec: policy, arrivals: rush }));
    };
    const enforced = sizes('Enforce');
    expect(seconds(enforced, 'PoisonMessages')).toContain(430);
    expect(enforced.replicas).toEqual(sizes('Disabled').replicas);
    expect(Math.max(...enforced.replicas.slice(400, 470))).toBeGreaterThan(enforced.replicas[399] ?? 0);
  });

  it.each<{
    title: string;
    tries?: typeof everySecond;
    model?: Partial<Story['model']>;
    more?: Partial<Story>;
  }>([
    { title: 'a single long job that still runs', tries: never },
    {
      title: 'a long job while others fail now and then',
      model: { failShare: () => 0.05 },
      more: { disturb: runningSince(55, unresolved(600, never)) },
    },
    { title: 'many that fail', model: { failShare: (atMs) => (atMs < 60_000 ? 0 : 0.67) } },
    { title: 'a standstill', model: { isPaused: (atMs) => atMs >= 65_000 } },
    { title: 'the only message left', more: { arrivals: (second) => (second < 65 ? 12 : 0) } },
  ])('is not seen in $title', ({ tries = everySecond, model = {}, more = {} }) => {
    for (const seed of seeds) {
      const told = tell(story(seed, model, { disturb: unresolved(600, tries), seconds: 600, ...more }));
      expect(seconds(told, 'PoisonMessages')).toEqual([]);
    }
  });
});

describe('a pool that feeds one which cannot take more', () => {
  const fedKey = 'media/encode';
  const prior = { concurrency: 2, serviceMilliseconds: 500 };
  const feeding = spec({ maxReplicas: 40, prior, feeds: ['encode'] });
  const rushFrom = 200;
  const calmFrom = 320;

  /** What the fed pool says of itself second by second, while it goes through a story of its own. */
  function saidBy(fed: Story): (nowMs: number) => { readonly stages: readonly Stage[] } {
    const said = tell(fed).decisions.map((decision, second) =>
      stageOf(fedKey, decision, [], (second + 1) * 1_000),
    );
    // The pool that feeds is looked at first: it knows what was said a second ago.
    return (nowMs) => ({ stages: said.slice(0, nowMs / 1_000 - 1).slice(-1) });
  }

  const fedStory = (seed: number, arrivals: (second: number) => number): Story =>
    story(seed, {}, { spec: spec({ maxReplicas: 4, prior }), arrivals, seconds: 600 });

  /** More than the 16 jobs/s that its four replicas complete, until `calmFrom`. */
  const flooded = (second: number): number => (second < calmFrom ? 30 : 2);

  /** Twice as much comes in from `rushFrom` on. */
  const feedingStory = (seed: number, more: Partial<Story>): Story => {
    const arrivals = seededRandom(seed + 100_000);
    return story(
      seed,
      {},
      {
        spec: feeding,
        seconds: 600,
        arrivals: (second) => arrivals.poisson(second < rushFrom ? 12 : 24),
        ...more,
      },
    );
  };

  const stuck = (atMs: number): readonly Stage[] => [
    { pool: fedKey, stuck: { reason: 'MaxReplicas', root: fedKey }, atMs },
  ];

  it.each(seeds)('is not grown until that one recovers (seed %i)', (seed) => {
    const told = tell(feedingStory(seed, { surroundings: saidBy(fedStory(seed, flooded)) }));
    const reported = seconds(told, 'StageBlocked');
    expect(reported[0]).toBeLessThan(rushFrom);
    expect(reported).toEqual(expect.arrayContaining([rushFrom, calmFrom - 1]));
    expect(reported.at(-1)).toBeLessThan(calmFrom + 40);
    const before = told.replicas[rushFrom - 1] ?? 0;
    expect(Math.max(...told.replicas.slice(rushFrom, calmFrom))).toBeLessThanOrEqual(before);
    expect(told.decisions[calmFrom - 1]?.message).toContain(`pool ${fedKey}, which this one feeds`);
    expect(Math.max(...told.replicas.slice(calmFrom))).toBeGreaterThan(before);
    expect(told.backlog.at(-1)).toBeLessThan(60);
  });

  /** A replica a minute. */
  const slowly = { scaleUp: { policies: [{ type: 'Pods' as const, value: 1, periodSeconds: 60 }] } };

  /** A heap that has just come counts as growing. */
  const calmAt = 15;

  it.each<{ title: string; fed: (seed: number) => Story }>([
    {
      title: 'is at its maximum and shrinks its backlog',
      fed: (seed) => ({ ...fedStory(seed, (second) => (second === 0 ? 6_000 : 4)), replicas: 4 }),
    },
    {
      title: 'falls behind and is still growing',
      fed: (seed) => ({
        ...fedStory(seed, (second) => (second < 100 ? 4 : 60)),
        spec: spec({ maxReplicas: 40, prior, behavior: slowly }),
      }),
    },
  ])('is grown when that one $title', ({ fed }) => {
    for (const seed of seeds) {
      // Beyond the objective: more than four replicas complete in a minute.
      expect(tell(fed(seed)).backlog[rushFrom]).toBeGreaterThan(960);
      const told = tell(feedingStory(seed, { surroundings: saidBy(fed(seed)) }));
      expect(seconds(told, 'StageBlocked').filter((second) => second >= calmAt)).toEqual([]);
      expect(told.replicas.slice(rushFrom)).toEqual(tell(feedingStory(seed, {})).replicas.slice(rushFrom));
    }
  });

  it.each(seeds)('is grown while the replicas start there that will do (seed %i)', (seed) => {
    const fed = (): Story => {
      const waking = fedStory(seed, (second) => (second < rushFrom - 20 ? 0 : 9));
      return { ...waking, model: { ...waking.model, startMs: 40_000 } };
    };
    const { replicas, backlog } = tell(fed());
    expect(replicas[rushFrom + 10]).toBe(4);
    expect(backlog[rushFrom + 10]).toBeGreaterThan(200);
    const told = tell(feedingStory(seed, { surroundings: saidBy(fed()) }));
    const startedAt = rushFrom + 20;
    expect(seconds(told, 'StageBlocked').filter((second) => second <= startedAt)).toEqual([]);
    expect(Math.max(...told.replicas.slice(rushFrom, startedAt))).toBeGreaterThan(
      told.replicas[rushFrom - 1] ?? 0,
    );
  });

  it.each(seeds)('is held up by a burst there no longer than it lasts (seed %i)', (seed) => {
    const burstUntil = rushFrom + 15;
    const burst = (second: number): number => (second >= rushFrom && second < burstUntil ? 120 : 4);
    const told = tell(feedingStory(seed, { surroundings: saidBy(fedStory(seed, burst)) }));
    const reported = seconds(told, 'StageBlocked');
    expect(reported[0]).toBeGreaterThanOrEqual(rushFrom);
    expect(reported.length).toBeGreaterThan(3);
    expect(reported.at(-1)).toBeLessThan(burstUntil + 12);
    expect(tell(fedStory(seed, burst)).backlog[burstUntil + 12]).toBeGreaterThan(960);
  });

  it('is grown when that one has said nothing for a quarter of a minute', () => {
    const lastSaidMs = (rushFrom + 50) * 1_000;
    for (const seed of seeds) {
      const told = tell(
        feedingStory(seed, {
          replicas: 6,
          surroundings: (nowMs) => ({ stages: stuck(Math.min(nowMs, lastSaidMs)) }),
        }),
      );
      const blockedUntil = rushFrom + 65;
      // The pass at that time is the last that hears it; passes are counted from 0.
      expect(seconds(told, 'StageBlocked').at(-1)).toBe(blockedUntil - 1);
      expect(Math.max(...told.replicas.slice(0, blockedUntil))).toBe(6);
      expect(Math.max(...told.replicas.slice(blockedUntil))).toBeGreaterThan(6);
    }
  });

  it('gets the replicas that minReplicas and a schedule ask for', () => {
    const schedule = { name: 'morning', replicas: 9, untilMs: Infinity };
    const told = tell(
      feedingStory(1, {
        spec: { ...feeding, minReplicas: 3 },
        replicas: 1,
        surroundings: (nowMs) => ({ stages: stuck(nowMs), ...(nowMs > 100_000 && { schedule }) }),
      }),
    );
    expect(told.replicas[0]).toBe(3);
    expect(told.replicas[99]).toBe(3);
    expect(told.replicas[100]).toBe(9);
    expect(told.replicas.at(-1)).toBe(9);
  });

  it('wakes from zero, and is not grown further', () => {
    const told = tell(
      feedingStory(1, {
        surroundings: (nowMs) => ({ stages: stuck(nowMs) }),
        arrivals: (second) => (second < 60 ? 0 : 24),
      }),
    );
    expect(Math.max(...told.replicas.slice(0, 60))).toBe(0);
    expect(told.replicas[60]).toBeGreaterThan(0);
    expect(Math.max(...told.replicas)).toBe(told.replicas[60]);
  });
});

describe('ordinary load', () => {
  it.each([
    { title: 'steady', more: {} },
    { title: 'a burst', more: { arrivals: (second: number) => (second >= 60 && second < 90 ? 60 : 4) } },
    {
      title: 'long jobs',
      more: { arrivals: (second: number) => (second % 5 === 0 ? 1 : 0) },
      serviceMs: 20_000,
    },
  ])('raises no guard ($title)', ({ more, serviceMs = 500 }) => {
    for (const seed of seeds) {
      const told = tell(story(seed, { serviceMs }, more));
      for (const type of [...others.slice(1), 'RetryAmplified']) expect(seconds(told, type)).toEqual([]);
    }
  });
});
