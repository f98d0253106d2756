import { describe, expect, it } from 'vitest';
import { arrivalsBySecond } from '../../../../operator/simulate/load.ts';
import { fixed } from '../../../../operator/simulate/peers.ts';
import { QueueModel } from '../../../../operator/simulate/queueModel.ts';
import type { ModelOptions } from '../../../../operator/simulate/queueModel.ts';
import { seededRandom } from '../../../../operator/simulate/random.ts';
import { replay } from '../../../../operator/simulate/replay.ts';
import { mean } from '../../../builders/mean.ts';

const options = (more: Partial<ModelOptions> = {}): ModelOptions => ({
  random: seededRandom(1),
  serviceMs: (random) => random.exponential(1_000),
  slots: 1,
  startMs: 0,
  hasHeartbeats: false,
  ...more,
});

/** A long run of random arrivals at a fixed size. */
function steady(perSecond: number, replicas: number, more: Partial<ModelOptions> = {}): QueueModel {
  const model = new QueueModel(options(more));
  model.scale(replicas);
  const random = seededRandom(2);
  const arrivals = arrivalsBySecond(() => random.poisson(perSecond), random);
  replay(model, fixed(replicas), { arrivals, seconds: 40_000 });
  return model;
}

/** Mean wait in M/M/c by Erlang's C formula, seconds (Kleinrock, Queueing Systems, volume 1, section 3.5). */
function erlangWait(perSecond: number, servers: number, serviceSeconds: number): number {
  const load = perSecond * serviceSeconds;
  let blocking = 1;
  for (let size = 1; size <= servers; size += 1) blocking = (load * blocking) / (size + load * blocking);
  const waitShare = blocking / (1 - (load / servers) * (1 - blocking));
  return (waitShare * serviceSeconds) / (servers - load);
}

/** Student's t for 29 degrees of freedom, two-sided 99 %. */
const t99 = 2.756;
const batches = 30;

/** The mean of waits with its 99 % confidence interval by batch means: neighbours depend on each other, batches hardly. */
function meanWait({ waitsMs }: QueueModel): { readonly seconds: number; readonly plusMinus: number } {
  const size = Math.floor(waitsMs.length / batches);
  const means = Array.from({ length: batches }, (_, index) =>
    mean(waitsMs.subarray(index * size, (index + 1) * size)),
  );
  const centre = mean(means);
  const variance = means.reduce((sum, value) => sum + (value - centre) ** 2, 0) / (batches - 1);
  return { seconds: centre / 1_000, plusMinus: (t99 * Math.sqrt(variance / batches)) / 1_000 };
}

/** The interval holds what theory says, and is narrow enough to mean something. */
function expectWait(model: QueueModel, theorySeconds: number): void {
  const { seconds, plusMinus } = meanWait(model);
  expect(Math.abs(seconds - theorySeconds)).toBeLessThanOrEqual(plusMinus);
  expect(plusMinus / theorySeconds).toBeLessThan(0.15);
}

describe('the mean wait is what theory says, with 99 % confidence', () => {
  it.each([
    { perSecond: 0.7, servers: 1 },
    { perSecond: 4, servers: 5 },
    { perSecond: 17, servers: 20 },
  ])('M/M/$servers at $perSecond/s', ({ perSecond, servers }) => {
    expectWait(steady(perSecond, servers), erlangWait(perSecond, servers, 1));
  });

  it('M/D/1, which waits half of M/M/1 (Pollaczek and Khinchine)', () => {
    expectWait(steady(0.7, 1, { serviceMs: () => 1_000 }), erlangWait(0.7, 1, 1) / 2);
  });

  it('slots of one replica are as good as replicas', () => {
    expectWait(steady(4, 1, { slots: 5 }), erlangWait(4, 5, 1));
  });
});

it("holds Little's law: the queue is as long as arrivals times their wait", () => {
  const model = new QueueModel(options());
  const random = seededRandom(3);
  const lengths: number[] = [];
  const watch = {
    name: 'watch',
    kind: 'peer' as const,
    look: (seen: QueueModel) => {
      lengths.push(seen.pending);
      return 5;
    },
  };
  const arrivals = arrivalsBySecond(() => random.poisson(4), random);
  replay(model, watch, { arrivals, seconds: 40_000 });
  const expected = 4 * (mean(model.waitsMs) / 1_000);
  expect(Math.abs(mean(lengths) / expected - 1)).toBeLessThan(0.05);
});

describe('a replica', () => {
  it('takes its start time before it works, and is paid for from the beginning', () => {
    const model = new QueueModel(options({ startMs: 5_000, serviceMs: () => 1_000 }));
    model.scale(1);
    model.advance(10_000, [0]);
    expect([...model.waitsMs]).toEqual([5_000]);
    expect(model.completed).toBe(1);
    expect(model.replicaMs).toBe(10_000);
  });

  it('finishes what it runs when it is taken away, and takes no more', () => {
    const model = new QueueModel(options({ serviceMs: () => 5_000 }));
    model.scale(1);
    model.advance(1_000, [0, 0]);
    model.scale(0);
    model.advance(20_000, []);
    expect(model.completed).toBe(1);
    expect(model.pending).toBe(1);
    expect(model.replicaMs).toBe(5_000);
    expect(model.workedMs).toBe(5_000);
  });

  it('tries a failed job again after a second', () => {
    const model = new QueueModel(options({ serviceMs: () => 100, failShare: (atMs) => (atMs < 50 ? 1 : 0) }));
    model.scale(1);
    model.advance(1_000, [0]);
    expect([model.completed, model.ackPending]).toEqual([0, 1]);
    model.advance(2_000, []);
    expect([model.completed, model.ackPending]).toEqual([1, 0]);
    expect([...model.waitsMs]).toEqual([0]);
  });

  it('gives a job up after its last attempt', () => {
    const model = new QueueModel(options({ serviceMs: () => 100, failShare: () => 1, maxDeliver: 3 }));
    model.scale(1);
    model.advance(10_000, [0]);
    expect([model.completed, model.deadLettered, model.ackPending]).toEqual([0, 1, 0]);
    expect(model.delivered).toEqual({ all: 3, first: 1 });
  });

  it('holds no more messages than max_ack_pending, those that wait for a retry among them', () => {
    const failShare = (atMs: number): number => (atMs < 50 ? 1 : 0);
    const model = new QueueModel(options({ serviceMs: () => 100, slots: 5, failShare, maxAckPending: 2 }));
    model.scale(1);
    model.advance(1_000, [0, 0, 0, 0]);
    expect([model.completed, model.ackPending, model.pending]).toEqual([0, 2, 2]);
    model.advance(2_000, []);
    expect([model.completed, model.ackPending, model.pending]).toEqual([4, 0, 0]);
    expect([...model.waitsMs]).toEqual([0, 0, 1_200, 1_200]);
  });

  it('runs a job twice that outlasts its ack wait, unless the worker extends it', () => {
    const long = { serviceMs: () => 5_000, slots: 3, ackWaitMs: 2_000 };
    const twice = new QueueModel(options({ ...long, extendsAckWait: false }));
    twice.scale(1);
    twice.advance(3_000, [0]);
    expect([twice.ackPending, twice.redelivered]).toEqual([1, 2]);
    twice.advance(20_000, []);
    expect([twice.completed, twice.ackPending]).toEqual([1, 0]);
    expect(twice.delivered).toEqual({ all: 3, first: 1 });
    expect(twice.busyMs).toBe(15_000);
    const once = new QueueModel(options(long));
    once.scale(1);
    once.advance(20_000, [0]);
    expect(once.delivered).toEqual({ all: 1, first: 1 });
    expect(once.completed).toBe(1);
  });

  it('tries a failed job again when its ack wait has lapsed before it failed', () => {
    const failShare = (atMs: number): number => (atMs < 50 ? 1 : 0);
    const model = new QueueModel(
      options({
        serviceMs: () => 3_000,
        slots: 2,
        ackWaitMs: 2_000,
        extendsAckWait: false,
        failShare,
        maxDeliver: 2,
      }),
    );
    model.scale(1);
    model.advance(10_000, [0]);
    expect([model.completed, model.deadLettered, model.ackPending]).toEqual([1, 0, 0]);
    expect(model.delivered).toEqual({ all: 2, first: 1 });
  });

  it('hands its slots on to the replica that follows it', () => {
    const model = new QueueModel(options({ serviceMs: () => 1_000, startMs: 1_000, slots: 2 }));
    model.scale(1);
    model.advance(2_000, [0, 0]);
    model.scale(0);
    model.advance(3_000, [2_000, 2_000, 2_000]);
    model.scale(1);
    model.advance(10_000, []);
    expect(model.completed).toBe(5);
    expect([...model.waitsMs].map(Math.round)).toEqual([1_000, 1_000, 2_000, 2_000, 3_000]);
    expect(model.replicaMs).toBe(2_000 + 7_000);
  });

  it('completes no more than the dependency lets through', () => {
    const model = steady(30, 100, { dependencyPerSecond: () => 20 });
    expect(model.completed / 40_000).toBeCloseTo(20, 0);
  });
});

it('tells when each job is done', () => {
  const doneMs: number[] = [];
  const model = new QueueModel(options({ serviceMs: () => 400, onDone: (atMs) => doneMs.push(atMs) }));
  model.scale(1);
  model.advance(3_000, [0, 100, 2_000]);
  expect(doneMs).toEqual([400, 800, 2_400]);
});

it('is the same for the same seed', () => {
  expect(steady(4, 5).waitsMs).toEqual(steady(4, 5).waitsMs);
});
