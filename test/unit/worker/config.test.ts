import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { readConfig, workerEnvironmentSchema } from '../../../worker/config.ts';
import { compileOptions, workerDefaults } from '../../../worker/options.ts';
import type { WorkerOptions } from '../../../worker/options.ts';

const named = { PENSTOCK_STREAM: 'IMAGES', PENSTOCK_CONSUMER: 'thumbnails', PENSTOCK_LOG_LEVEL: 'silent' };

describe('the environment', () => {
  test('needs only the names of stream and consumer', () => {
    const settings = compileOptions(readConfig(named));
    expect(settings).toMatchObject({
      stream: 'IMAGES',
      consumer: 'thumbnails',
      slots: workerDefaults.slots,
      prefetch: 'auto',
      confirmAcks: false,
      deadLetter: undefined,
      create: undefined,
      http: { host: '0.0.0.0', port: 9_464 },
    });
  });

  test('becomes milliseconds', () => {
    const settings = compileOptions(
      readConfig({
        ...named,
        PENSTOCK_SLOTS: '8',
        PENSTOCK_PREFETCH: '0',
        PENSTOCK_JOB_TIMEOUT_SECONDS: '1.5',
        PENSTOCK_BACKOFF_BASE_SECONDS: '0.1',
        PENSTOCK_GRACE_SECONDS: '50',
        PENSTOCK_CREATE_CONSUMER: 'true',
        PENSTOCK_ACK_WAIT_SECONDS: '12',
        PENSTOCK_DEAD_LETTER_STREAM: 'DEAD',
        PENSTOCK_HTTP_PORT: 'off',
        POD_NAME: 'pod-1',
      }),
    );
    expect(settings).toMatchObject({
      slots: 8,
      prefetch: 0,
      jobTimeoutMs: 1_500,
      backoff: { baseMs: 100, maxMs: workerDefaults.backoffMaxMs },
      graceMs: 50_000,
      create: { ackWaitMs: 12_000, maxAckPending: workerDefaults.maxAckPending },
      deadLetter: { stream: 'DEAD', subject: 'dead-letter.IMAGES.thumbnails', create: true },
      http: undefined,
      replica: 'pod-1',
    });
  });

  test('turns retry budget and breaker on by the setting that has no default', () => {
    expect(compileOptions(readConfig(named))).toMatchObject({
      retryBudget: undefined,
      breaker: undefined,
      forgivenStream: undefined,
    });
    const on = {
      PENSTOCK_RETRY_BUDGET_RATIO: '0.1',
      PENSTOCK_RETRY_BUDGET_DELAY_SECONDS: '5',
      PENSTOCK_BREAKER_SLOW_SECONDS: '2',
      PENSTOCK_BREAKER_PROBES: '7',
      PENSTOCK_FORGIVEN_STREAM: 'FORGIVEN',
    };
    expect(compileOptions(readConfig({ ...named, ...on }))).toMatchObject({
      retryBudget: { ratio: 0.1, minPerSecond: workerDefaults.retryBudgetMinPerSecond, delayMs: 5_000 },
      breaker: { failureRatio: workerDefaults.breakerFailureRatio, slowMs: 2_000, probes: 7 },
      forgivenStream: 'FORGIVEN',
    });
  });

  test('reads keys, rates, limits and partitions', () => {
    const set = {
      PENSTOCK_CONSUMER: 'a,b',
      PENSTOCK_SLOTS: '4',
      PENSTOCK_MAX_SLOTS: '32',
      PENSTOCK_KEY: 'subject:2',
      PENSTOCK_ORDERED: 'true',
      PENSTOCK_KEY_RATE_PER_SECOND: '0.5',
      PENSTOCK_RATE_PER_SECOND: '50',
      PENSTOCK_RATE_BURST: '10',
      PENSTOCK_OVERLOAD: 'shed',
      PENSTOCK_MAX_AGE_SECONDS: '60',
      PENSTOCK_LIMITS: 'database=10, api=2.5',
    };
    expect(compileOptions(readConfig({ ...named, ...set }))).toMatchObject({
      consumers: ['a', 'b'],
      consumer: 'a',
      slots: 4,
      adaptive: { floor: 4, ceiling: 32 },
      admission: {
        key: 'subject:2',
        ordered: true,
        keyRate: { perSecond: 0.5, burst: 1 },
        rate: { perSecond: 50, burst: 10 },
        overload: { kind: 'shed', maxAgeMs: 60_000 },
      },
      limits: new Map([
        ['database', 10],
        ['api', 2.5],
      ]),
    });
  });

  const faults: Record<string, { environment: Record<string, string>; message: RegExp }> = {
    'a missing stream': { environment: { PENSTOCK_CONSUMER: 'c' }, message: /PENSTOCK_STREAM: is required/ },
    'a stream name that reaches another subject': {
      environment: { ...named, PENSTOCK_STREAM: 'A.>' },
      message: /PENSTOCK_STREAM=A\.>: must be a name/,
    },
    'slots that are no number': {
      environment: { ...named, PENSTOCK_SLOTS: 'many' },
      message: /PENSTOCK_SLOTS=many: must be a whole number from 1/,
    },
    'no slots': { environment: { ...named, PENSTOCK_SLOTS: '0' }, message: /PENSTOCK_SLOTS=0/ },
    'a negative time': {
      environment: { ...named, PENSTOCK_GRACE_SECONDS: '-1' },
      message: /PENSTOCK_GRACE_SECONDS=-1: must be seconds/,
    },
    'a time that is no number': {
      environment: { ...named, PENSTOCK_GRACE_SECONDS: '10s' },
      message: /PENSTOCK_GRACE_SECONDS=10s/,
    },
    'a prefetch that is neither': {
      environment: { ...named, PENSTOCK_PREFETCH: 'some' },
      message: /PENSTOCK_PREFETCH=some: must be auto/,
    },
    'a port beyond the last': {
      environment: { ...named, PENSTOCK_HTTP_PORT: '70000' },
      message: /PENSTOCK_HTTP_PORT=70000: must be off/,
    },
    'a share above the whole': {
      environment: { ...named, PENSTOCK_BREAKER_FAILURE_RATIO: '50' },
      message: /PENSTOCK_BREAKER_FAILURE_RATIO=50: must be a number from 0.01 to 1/,
    },
    'a key that is none': {
      environment: { ...named, PENSTOCK_KEY: 'customer' },
      message: /PENSTOCK_KEY=customer: must be header:NAME, or subject:N/,
    },
    'limits without a number': {
      environment: { ...named, PENSTOCK_LIMITS: 'database' },
      message: /PENSTOCK_LIMITS=database: must be NAME=NUMBER/,
    },
    'a burst of no rate': {
      environment: { ...named, PENSTOCK_RATE_BURST: '5' },
      message: /PENSTOCK_RATE_BURST=5: has no effect without PENSTOCK_RATE_PER_SECOND/,
    },
    'how batches fail, and no batches': {
      environment: { ...named, PENSTOCK_BATCH_ERRORS: 'collect' },
      message: /PENSTOCK_BATCH_ERRORS=collect: has no effect without PENSTOCK_BATCH_SIZE/,
    },
    'a breaker that nothing turns on': {
      environment: { ...named, PENSTOCK_BREAKER_PROBES: '5' },
      message:
        /PENSTOCK_BREAKER_PROBES=5: has no effect without PENSTOCK_BREAKER_FAILURE_RATIO or PENSTOCK_BREAKER_SLOW_SECONDS/,
    },
    'a lease of a consumer that it does not create': {
      environment: { ...named, PENSTOCK_CREATE_CONSUMER: 'false', PENSTOCK_ACK_WAIT_SECONDS: '60' },
      message: /PENSTOCK_ACK_WAIT_SECONDS=60: has no effect without PENSTOCK_CREATE_CONSUMER/,
    },
    'no creation of a bucket that is not named': {
      environment: { ...named, PENSTOCK_DEDUPE_CREATE: 'false' },
      message: /PENSTOCK_DEDUPE_CREATE=false: has no effect without PENSTOCK_DEDUPE_BUCKET/,
    },
    'slots that follow the latency, in threads': {
      environment: { ...named, PENSTOCK_HANDLER_THREADS: 'true', PENSTOCK_MAX_SLOTS: '9' },
      message: /PENSTOCK_MAX_SLOTS=9: does not go with PENSTOCK_HANDLER_THREADS/,
    },
    'limits that name one twice': {
      environment: { ...named, PENSTOCK_LIMITS: 'database=3,database=4' },
      message: /PENSTOCK_LIMITS=database=3,database=4: must name each limit once/,
    },
    'the address of a port that is off': {
      environment: { ...named, PENSTOCK_HTTP_PORT: 'off', PENSTOCK_HTTP_HOST: '127.0.0.1' },
      message: /PENSTOCK_HTTP_HOST=127\.0\.0\.1: has no effect with PENSTOCK_HTTP_PORT=off/,
    },
    'a user without a password': {
      environment: { ...named, NATS_USER: 'me' },
      message: /NATS_USER has no effect without NATS_PASSWORD; set both/,
    },
    'a password without a user': {
      environment: { ...named, NATS_PASSWORD: 'secret' },
      message: /^NATS_PASSWORD has no effect without NATS_USER; set both$/,
    },
    'a certificate without its key': {
      environment: { ...named, NATS_CERT: 'tls.crt' },
      message: /NATS_CERT has no effect without NATS_KEY; set both/,
    },
    'one of several consumers that is no name': {
      environment: { ...named, PENSTOCK_CONSUMER: 'a,b.c' },
      message: /PENSTOCK_CONSUMER=a,b\.c: must be a name/,
    },
    'a yes': {
      environment: { ...named, PENSTOCK_CONFIRM_ACKS: 'yes' },
      message: /PENSTOCK_CONFIRM_ACKS=yes: must be true or false/,
    },
  };
  for (const [name, { environment, message }] of Object.entries(faults)) {
    test(`is refused with ${name}`, () => expect(() => readConfig(environment)).toThrow(message));
  }

  test('names every fault at once', () => {
    expect(() => readConfig({ PENSTOCK_SLOTS: '0' })).toThrow(
      /PENSTOCK_STREAM[^]*PENSTOCK_CONSUMER[^]*PENSTOCK_SLOTS/,
    );
  });

  test('is documented, each setting with its own words', () => {
    const page = readFileSync(new URL('../../../docs/worker.md', import.meta.url), 'utf8').replaceAll(
      / +/g,
      ' ',
    );
    for (const [name, schema] of Object.entries(workerEnvironmentSchema.shape)) {
      expect(page).toContain(`| \`${name}\` | ${schema.description ?? 'no description'} |`);
    }
  });
});

describe('options', () => {
  const names = { stream: 'IMAGES', consumer: 'thumbnails' };
  const faults: Record<string, { options: Parameters<typeof compileOptions>[0]; message: string }> = {
    'a fractional number of slots': { options: { ...names, slots: 1.5 }, message: 'slots is 1.5' },
    'a name with a dot': { options: { ...names, stream: 'a.b' }, message: 'stream is "a.b"' },
    'no time at all': { options: { ...names, jobTimeoutMs: 0 }, message: 'jobTimeoutMs is 0' },
    'a time that no timer can wait': {
      options: { ...names, graceMs: 1e12 },
      message: 'graceMs is 1000000000000',
    },
    'forgiven deliveries among the dead letters': {
      options: { ...names, deadLetter: { stream: 'DEAD' }, forgivenStream: 'DEAD' },
      message: 'forgivenStream is "DEAD": must be a stream of its own',
    },
    'a breaker without probes': {
      options: { ...names, breaker: { probes: 0 } },
      message: 'breaker.probes is 0',
    },
    'dead letters among the jobs': {
      options: { ...names, deadLetter: { stream: 'IMAGES' } },
      message: 'deadLetter.stream is "IMAGES": must be another stream',
    },
  };
  for (const [name, { options, message }] of Object.entries(faults)) {
    test(`are refused with ${name}`, () => expect(() => compileOptions(options)).toThrow(message));
  }

  /** Two that make no sense together, or one that has no effect without the other; without `but`, they are taken. */
  const pairs: Record<
    string,
    { given: Partial<WorkerOptions>; but: Partial<WorkerOptions>; message: string }
  > = {
    'a first delay above the longest': {
      given: { backoff: { maxMs: 2_000 } },
      but: { backoff: { baseMs: 3_000, maxMs: 2_000 } },
      message: 'backoff.baseMs is 3000: must be at most backoff.maxMs (2000); raise that, too',
    },
    'a first delay above the longest by default': {
      given: { backoff: { baseMs: 300_000 } },
      but: { backoff: { baseMs: 300_001 } },
      message: 'backoff.baseMs is 300001: must be at most backoff.maxMs (300000)',
    },
    'a share of slow jobs, and none is slow': {
      given: { breaker: { slowRatio: 0.2, slowMs: 50 } },
      but: { breaker: { slowRatio: 0.2 } },
      message: 'breaker.slowRatio is 0.2: has no effect without breaker.slowMs',
    },
    'slow jobs that have failed before': {
      given: { jobTimeoutMs: 1_000, abortGraceMs: 500, breaker: { slowMs: 1_499 } },
      but: { breaker: { slowMs: 1_500 } },
      message: 'breaker.slowMs is 1500: must be below jobTimeoutMs + abortGraceMs (1500)',
    },
    'no room for slots to follow anything': {
      given: { slots: 4, maxSlots: 5 },
      but: { maxSlots: 4 },
      message: 'maxSlots is 4: has no effect beside as many slots (4); leave it out',
    },
    'fewer slots at most than at first': {
      given: { slots: 4 },
      but: { maxSlots: 3 },
      message: 'maxSlots is 3: must be a whole number, at least 4',
    },
    'slots that follow the latency, of batches': {
      given: { batch: { size: 5 } },
      but: { maxSlots: 5 },
      message: 'maxSlots is 5: does not go with batches',
    },
    'weights in batches': {
      given: { batch: { size: 5 } },
      but: { weight: 'header:Cost' },
      message: 'weight is "header:Cost": has no meaning in batches',
    },
    'a bound of those that wait for no key': {
      given: { rate: { perSecond: 5 } },
      but: { maxWaiting: 5 },
      message: 'maxWaiting is 5: has no effect without key',
    },
    'the age of records in a bucket that it does not create': {
      given: { dedupe: { bucket: 'DONE', create: false } },
      but: { dedupe: { bucket: 'DONE', create: false, ttlMs: 5_000 } },
      message: 'dedupe.ttlMs is 5000: has no effect on a bucket that is there',
    },
    'consumers without a slot for each': {
      given: { consumer: ['a', 'b'], slots: 2 },
      but: { slots: 1 },
      message: 'slots is 1: must be at least the 2 consumers',
    },
    'partitions that it would have to create': {
      given: { consumer: ['a', 'b'], slots: 2 },
      but: { createConsumer: {} },
      message: 'createConsumer is {}: makes no partitions',
    },
    'rejections that count as attempts': {
      given: { key: 'header:A', keyRate: { perSecond: 1 } },
      but: { overload: 'reject' },
      message: 'overload is "reject": needs forgivenStream',
    },
  };
  test.each(Object.entries(pairs))('are refused with %s', (_, { given, but, message }) => {
    expect(() => compileOptions({ ...names, ...given })).not.toThrow();
    expect(() => compileOptions({ ...names, ...given, ...but })).toThrow(message);
  });

  test('have a first delay that fits a short longest one', () => {
    expect(compileOptions({ ...names, backoff: { maxMs: 200 } }).backoff).toEqual({
      baseMs: 200,
      maxMs: 200,
    });
  });
});
