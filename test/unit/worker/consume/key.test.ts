import { expect, test } from 'vitest';
import { expiryOf } from '../../../../worker/consume/expiry.ts';
import { DeliveredJob } from '../../../../worker/consume/job.ts';
import { compileKey } from '../../../../worker/consume/key.ts';
import type { KeySource } from '../../../../worker/consume/key.ts';
import { delivery } from '../../../builders/deliveries.ts';
import type { DeliveryFacts } from '../../../builders/deliveries.ts';

const keys: Record<string, { source: KeySource; job: DeliveryFacts; key: string | undefined }> = {
  'a header, whatever its case': {
    source: 'header:Customer',
    job: { headers: { customer: 'acme' } },
    key: 'acme',
  },
  'a header that is missing': { source: 'header:Customer', job: {}, key: undefined },
  'an empty header': { source: 'header:Customer', job: { headers: { Customer: '' } }, key: undefined },
  'a token of the subject': { source: 'subject:2', job: { subject: 'orders.acme.new' }, key: 'acme' },
  'a token that the subject does not have': { source: 'subject:9', job: {}, key: undefined },
  'a function': { source: (job) => `${job.sequence % 2}`, job: { sequence: 7 }, key: '1' },
  'a function that knows none': { source: () => undefined, job: {}, key: undefined },
  'a very long key is cut': { source: () => 'x'.repeat(1_000), job: {}, key: 'x'.repeat(256) },
};
test.each(Object.entries(keys))('the key of a job: %s', (_, { source, job, key }) => {
  expect(compileKey(source)(new DeliveredJob(delivery(job)))).toBe(key);
});

const nowMs = Date.parse('2026-01-01T00:00:00Z');
const ages: Record<string, { job: DeliveryFacts; maxAgeMs: number; expired: boolean }> = {
  'young enough': { job: { publishedAtMs: nowMs - 10_000 }, maxAgeMs: 10_000, expired: false },
  'too old': { job: { publishedAtMs: nowMs - 10_001 }, maxAgeMs: 10_000, expired: true },
  'old, and no limit': { job: { publishedAtMs: 0 }, maxAgeMs: Infinity, expired: false },
  'past its deadline': {
    job: { headers: { 'Penstock-Deadline': '2025-12-31T23:59:59Z' } },
    maxAgeMs: Infinity,
    expired: true,
  },
  'past its deadline in milliseconds': {
    job: { headers: { 'penstock-deadline': `${nowMs - 1}` } },
    maxAgeMs: Infinity,
    expired: true,
  },
  'before its deadline': {
    job: { headers: { 'Penstock-Deadline': '2026-01-01T00:00:01Z' } },
    maxAgeMs: Infinity,
    expired: false,
  },
  'a deadline that is none': {
    job: { headers: { 'Penstock-Deadline': 'soon' } },
    maxAgeMs: Infinity,
    expired: false,
  },
};
test.each(Object.entries(ages))('whether a job has expired: %s', (_, { job, maxAgeMs, expired }) => {
  expect(expiryOf(delivery(job), maxAgeMs, nowMs) !== undefined).toBe(expired);
});
