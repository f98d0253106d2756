import fc from 'fast-check';
import { describe, expect, it, vi } from 'vitest';
import type { WorkerPoolSpec } from '#crds/worker-pool.ts';
import { decide } from '../../../../operator/decide/decide.ts';
import type { DecideInput } from '../../../../operator/decide/decide.ts';
import { initialMemory, recordScale } from '../../../../operator/decide/memory.ts';
import type { Memory } from '../../../../operator/decide/memory.ts';
import { known, unknown } from '../../../../operator/measure/signals.ts';
import type { Signals, SourceSignals } from '../../../../operator/measure/signals.ts';
import { nowMs } from '../../../builders/decisions.ts';
import { propertyRuns } from '../../../builders/propertyRuns.ts';
import { capacitySignal, signals, sourceSignals, workloadSignals } from '../../../builders/signals.ts';
import { spec } from '../../../builders/spec.ts';

vi.setConfig({ testTimeout: 300_000 });

function check<T>(given: fc.Arbitrary<T>, property: (value: T) => void): void {
  fc.assert(fc.property(given, property), { numRuns: propertyRuns });
}

type Enforcement = WorkerPoolSpec['guards']['poison'];
const allGuards = (mode: Enforcement): WorkerPoolSpec['guards'] => ({
  downstream: mode,
  retries: mode,
  idleWorkers: mode,
  ackPending: mode,
  ackWait: mode,
  poison: mode,
  stage: mode,
  scheduling: mode,
});

const rate = fc.double({ min: 0, max: 5_000, noNaN: true });

/** A source seen just now, consistent in itself: what is queued or running is unresolved. */
const source: fc.Arbitrary<SourceSignals> = fc
  .record({
    arrivals: rate,
    completions: rate,
    headroom: fc.double({ min: 1, max: 3, noNaN: true }),
    pending: fc.nat(20_000),
    ackPending: fc.nat(2_000),
    runningShare: fc.double({ min: 0, max: 1, noNaN: true }),
    perSecond: fc.double({ min: 0.01, max: 500, noNaN: true }),
    slots: fc.integer({ min: 1, max: 256 }),
    maxAckPending: fc.oneof(fc.constant('unlimited' as const), fc.integer({ min: 1, max: 5_000 })),
    idleSeconds: fc.nat(120),
    isQuiet: fc.boolean(),
  })
  .map((x) => {
    const quiet = x.isQuiet ? 0 : 1;
    const [pending, ackPending] = [quiet * x.pending, quiet * x.ackPending];
    const running = Math.floor(ackPending * x.runningShare);
    return sourceSignals(
      {
        arrivalsPerSecond: known(quiet * x.arrivals, nowMs),
        plannedArrivalsPerSecond: known(quiet * x.arrivals * x.headroom, nowMs),
        completionsPerSecond: known(quiet * x.completions, nowMs),
        pendingMessages: known(pending, nowMs),
        ackPendingMessages: known(ackPending, nowMs),
        backlogMessages: known(pending + ackPending, nowMs),
        queuedMessages: known(pending + ackPending - running, nowMs),
        runningJobs: known(running, nowMs),
        capacity: capacitySignal({ jobsPerSecond: x.perSecond, slots: x.slots }),
        maxAckPending: known(x.maxAckPending, nowMs),
        lastWorkMs: known(nowMs - (pending + ackPending > 0 ? 0 : x.idleSeconds * 1_000), nowMs),
      },
      nowMs,
    );
  });

const missing: fc.Arbitrary<(seen: SourceSignals) => SourceSignals> = fc.constantFrom(
  (seen) => ({ ...seen, presence: { kind: 'absent', message: 'not found' } }),
  (seen) => ({ ...seen, presence: { kind: 'unseen', message: 'timeout' } }),
  (seen) => ({
    ...seen,
    presence: { kind: 'unseen', message: 'timeout' },
    backlogMessages: unknown('never seen'),
    plannedArrivalsPerSecond: unknown('never seen'),
  }),
  (seen) => ({
    ...seen,
    presence: { kind: 'unseen', message: 'timeout' },
    backlogMessages: known(0, nowMs - 60_000),
  }),
);

const policy: fc.Arbitrary<WorkerPoolSpec> = fc
  .record({
    min: fc.nat(10),
    more: fc.integer({ min: 1, max: 200 }),
    utilizationPercent: fc.integer({ min: 10, max: 100 }),
    drainSeconds: fc.integer({ min: 1, max: 600 }),
    guards: fc.constantFrom('Enforce' as const, 'Observe' as const, 'Disabled' as const),
    downWindow: fc.option(fc.nat(60), { nil: undefined }),
  })
  .map((x) =>
    spec({
      sources: ['a', 'b', 'c'].map((consumer) => ({ connection: 'nats', stream: 'JOBS', consumer })),
      minReplicas: x.min,
      maxReplicas: x.min + x.more,
      objective: { utilizationPercent: x.utilizationPercent, drainSeconds: x.drainSeconds },
      guards: allGuards(x.guards),
      behavior: x.downWindow === undefined ? {} : { scaleDown: { stabilizationWindowSeconds: x.downWindow } },
    }),
  );

/** A pool in mid-life: what is asked for is what we wrote last, replicas may be in any state. */
const pool: fc.Arbitrary<DecideInput> = fc
  .record({
    spec: policy,
    sources: fc.array(source, { minLength: 1, maxLength: 3 }),
    desired: fc.nat(250),
    readyShare: fc.double({ min: 0, max: 1, noNaN: true }),
    isTroubled: fc.boolean(),
    startMs: fc.nat(60_000),
    wantedBefore: fc.array(fc.nat(250), { maxLength: 5 }),
  })
  .map(({ spec: policySpec, sources, desired, readyShare, isTroubled, startMs, wantedBefore }) => {
    const ready = Math.floor(desired * readyShare);
    const workload = workloadSignals({
      desired,
      ready,
      [isTroubled ? 'failing' : 'starting']: desired - ready,
      troubleSinceMs: isTroubled ? nowMs - 120_000 : undefined,
    });
    let memory: Memory = recordScale(initialMemory(0), { from: 1, to: desired, atMs: nowMs - 60_000 });
    for (const [index, replicas] of wantedBefore.entries()) {
      const recommendation = [{ replicas, atMs: nowMs - 1_000 * (5 - index) }];
      memory = {
        ...memory,
        recommendations: { isEmpty: false, highs: recommendation, lows: recommendation },
      };
    }
    const given = signals({ atMs: nowMs, sources, workload, startMs: known(startMs, nowMs) });
    return { spec: policySpec, signals: given, memory, nowMs };
  });

const desiredOf = ({ workload }: Signals): number =>
  workload.kind === 'seen' ? workload.desired : Number.NaN;
const answer = (input: DecideInput): number => decide(input).decision.to ?? Number.NaN;
const withSource = (input: DecideInput, change: (first: SourceSignals) => SourceSignals): DecideInput => ({
  ...input,
  signals: {
    ...input.signals,
    sources: input.signals.sources.map((each, index) => (index === 0 ? change(each) : each)),
  },
});
const plus = (signal: SourceSignals['queuedMessages'], more: number): SourceSignals['queuedMessages'] =>
  signal.kind === 'known' ? known(signal.value + more, signal.atMs) : signal;

describe('every decision', () => {
  it('is the same for the same input', () => {
    check(pool, (input) => {
      expect(decide(structuredClone(input))).toEqual(decide(input));
    });
  });

  it('stays within minReplicas and maxReplicas', () => {
    check(pool, (input) => {
      const to = answer(input);
      expect(to).toBeGreaterThanOrEqual(input.spec.minReplicas);
      expect(to).toBeLessThanOrEqual(input.spec.maxReplicas);
    });
  });

  it('scales to another size or holds the same, and says which', () => {
    check(pool, (input) => {
      const { decision } = decide(input);
      expect(decision.kind === 'scale').toBe(decision.from !== decision.to);
      expect(decision.message).not.toMatch(/NaN|undefined|Infinity/);
      expect(decision.nextCheckMs).toBeGreaterThanOrEqual(0);
    });
  });

  it('never grows because less arrives, less waits, or replicas are faster', () => {
    const changes = fc.record({
      arrivals: rate,
      queued: fc.nat(10_000),
      faster: fc.double({ min: 1, max: 10, noNaN: true }),
    });
    check(fc.tuple(pool, changes), ([input, { arrivals, queued, faster }]) => {
      const more = (change: (first: SourceSignals) => SourceSignals): number =>
        answer(withSource(input, change));
      const base = answer(input);
      const busier = more((first) => ({
        ...first,
        arrivalsPerSecond: plus(first.arrivalsPerSecond, arrivals),
        plannedArrivalsPerSecond: plus(first.plannedArrivalsPerSecond, arrivals),
      }));
      const fuller = more((first) => ({
        ...first,
        queuedMessages: plus(first.queuedMessages, queued),
        pendingMessages: plus(
          first.pendingMessages,
          first.pendingMessages.kind === 'known' && first.pendingMessages.value === 0 ? 0 : queued,
        ),
        backlogMessages: plus(first.backlogMessages, queued),
      }));
      const quicker = more((first) => ({
        ...first,
        capacity: { ...first.capacity, jobsPerSecond: first.capacity.jobsPerSecond * faster },
      }));
      expect(busier).toBeGreaterThanOrEqual(base);
      expect(fuller).toBeGreaterThanOrEqual(base);
      expect(quicker).toBeLessThanOrEqual(base);
    });
  });
});

/** Decides again and again on the same load, a second apart, with every write succeeding at once. */
function settle(input: DecideInput, passes: number): readonly number[] {
  let { memory } = input;
  let desired = desiredOf(input.signals);
  const sizes = [desired];
  // The same figures, seen as lately as any pass can be.
  const fresh = JSON.parse(JSON.stringify(input.signals), (key, value: unknown) =>
    key === 'atMs' ? nowMs + passes * 1_000 : value,
  ) as Signals;
  for (let pass = 0; pass < passes; pass += 1) {
    const atMs = nowMs + pass * 1_000;
    const decided = decide({
      ...input,
      signals: { ...fresh, workload: workloadSignals({ desired }) },
      memory,
      nowMs: atMs,
    });
    memory = decided.memory;
    if (decided.decision.kind === 'hold') continue;
    desired = decided.decision.to;
    memory = recordScale(memory, { from: decided.decision.from, to: desired, atMs });
    sizes.push(desired);
  }
  return sizes;
}

describe('a constant load', () => {
  const forgetful = pool.map((input) => ({
    ...input,
    memory: { ...input.memory, recommendations: { isEmpty: false, highs: [], lows: [] } },
  }));

  it('is settled in three steps when steps are not limited', () => {
    const unlimited = forgetful.map((input) => ({
      ...input,
      spec: {
        ...input.spec,
        zero: { ...input.spec.zero, idleSeconds: 0 },
        behavior: {
          scaleUp: {
            selectPolicy: 'Max' as const,
            policies: [{ type: 'Pods' as const, value: 1_000, periodSeconds: 1 }],
          },
          scaleDown: {
            stabilizationWindowSeconds: 0,
            selectPolicy: 'Max' as const,
            policies: [{ type: 'Percent' as const, value: 100, periodSeconds: 1 }],
          },
        },
      },
    }));
    check(unlimited, (input) => {
      expect(settle(input, 10).length - 1).toBeLessThanOrEqual(3);
    });
  });

  it('never makes the replicas go back', () => {
    check(forgetful, (input) => {
      const steps = settle(input, 60);
      const directions = steps.slice(1).map((size, index) => Math.sign(size - (steps[index] ?? 0)));
      expect(new Set(directions).size).toBeLessThanOrEqual(1);
    });
  });
});

describe('safety', () => {
  const restarted = pool
    .filter(({ spec: { behavior } }) => behavior.scaleDown.stabilizationWindowSeconds !== 0)
    .map((input) => ({ ...input, memory: initialMemory(nowMs) }));

  it('an operator without memory takes nothing away within the window', () => {
    check(restarted, (input) => {
      const kept = Math.min(desiredOf(input.signals), input.spec.maxReplicas);
      expect(answer(input)).toBeGreaterThanOrEqual(kept);
    });
  });

  it('nothing is taken away while something is not seen', () => {
    check(fc.tuple(pool, missing), ([input, lose]) => {
      const kept = Math.min(desiredOf(input.signals), input.spec.maxReplicas);
      expect(answer(withSource(input, lose))).toBeGreaterThanOrEqual(kept);
    });
  });

  it('no replica leaves last while anything is unresolved', () => {
    const unresolved = pool.filter(({ signals: { sources } }) =>
      sources.some(({ backlogMessages }) => backlogMessages.kind === 'known' && backlogMessages.value > 0),
    );
    check(unresolved, (input) => {
      expect(answer(input)).toBeGreaterThan(0);
    });
  });

  it('a guard never takes replicas away', () => {
    check(pool, (input) => {
      const guarded = (mode: 'Enforce' | 'Disabled'): number =>
        answer({
          ...input,
          spec: { ...input.spec, guards: allGuards(mode) },
        });
      const free = guarded('Disabled');
      expect(guarded('Enforce')).toBeGreaterThanOrEqual(Math.min(free, desiredOf(input.signals)));
      expect(guarded('Enforce')).toBeLessThanOrEqual(free);
    });
  });

  it('no guard stands in the way of minReplicas, a schedule, or waking from zero', () => {
    const blocked = { pool: 'a/b', stuck: { reason: 'MaxReplicas', root: 'a/b' }, atMs: nowMs };
    const everyReason = (input: DecideInput): DecideInput => ({
      ...withSource(input, (first) => ({
        ...first,
        paused: true,
        stalledSinceMs: nowMs - 60_000,
        attemptsPerSuccess: known(9, nowMs),
        repeatedShare: known(0.9, nowMs),
        ackWaitMs: known(1, nowMs),
      })),
      spec: { ...input.spec, guards: allGuards('Enforce') },
      stages: [blocked],
    });
    check(fc.tuple(pool, fc.nat(300)), ([input, replicas]) => {
      const schedule = { name: 'office', replicas, untilMs: Infinity };
      const { minReplicas, maxReplicas } = input.spec;
      const guarded = decide({ ...everyReason(input), schedule }).decision;
      expect(guarded.to).toBeGreaterThanOrEqual(Math.max(minReplicas, Math.min(replicas, maxReplicas)));
      const asleep = { ...input, signals: { ...input.signals, workload: workloadSignals() } };
      const memory = initialMemory(0, { writtenReplicas: 0 });
      const wakes = (mode: 'Enforce' | 'Disabled'): number =>
        answer({ ...everyReason(asleep), memory, spec: { ...input.spec, guards: allGuards(mode) } });
      expect(wakes('Enforce')).toBe(wakes('Disabled'));
    });
  });

  it('one more source out of sight never raises the count', () => {
    check(fc.tuple(pool, missing), ([input, lose]) => {
      const bounded = Math.max(desiredOf(input.signals), input.spec.minReplicas);
      expect(answer(withSource(input, lose))).toBeLessThanOrEqual(Math.max(answer(input), bounded));
    });
  });
});
