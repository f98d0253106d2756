import { expect, test } from 'vitest';
import { compileAdmission } from '../../../../worker/consume/admissionPolicy.ts';
import type { AdmissionOptions } from '../../../../worker/consume/admissionPolicy.ts';

test('without a setting, nothing keeps a job from starting', () => {
  expect(compileAdmission({})).toBeUndefined();
});

test('what is not set gets its default', () => {
  expect(compileAdmission({ key: 'subject:2', ordered: true, keyRate: { perSecond: 5 } })).toEqual({
    key: 'subject:2',
    ordered: true,
    keyRate: { perSecond: 5, burst: 1 },
    rate: undefined,
    overload: { kind: 'wait' },
    weight: undefined,
    maxWaiting: 250,
  });
});

const wrong: Record<string, { options: AdmissionOptions; message: RegExp }> = {
  'order without a key': { options: { ordered: true }, message: /ordered is true: needs key/ },
  'a rate per key without a key': {
    options: { keyRate: { perSecond: 1 } },
    message: /keyRate is .*: needs key/,
  },
  'a key for nothing': {
    options: { key: 'header:A' },
    message: /key is "header:A": has no effect alone; set ordered or keyRate/,
  },
  'a key that is none': {
    options: { key: 'subject:0', ordered: true },
    message: /key is "subject:0": must be header:NAME, subject:N/,
  },
  'rejecting without a rate per key': {
    options: { overload: 'reject', rate: { perSecond: 1 } },
    message: /needs keyRate/,
  },
  'rejecting in order': {
    options: { overload: 'reject', key: 'header:A', ordered: true, keyRate: { perSecond: 1 } },
    message: /leave out ordered, or use wait/,
  },
  'an age without shedding': {
    options: { maxAgeMs: 1 },
    message: /maxAgeMs is 1: .*unless overload is shed/,
  },
  'a delay without rejecting': {
    options: { overload: 'shed', rejectDelayMs: 1 },
    message: /rejectDelayMs is 1: .*unless overload is reject/,
  },
  'a rate of nothing': { options: { rate: { perSecond: 0 } }, message: /rate.perSecond is 0: must be/ },
  'a weight that is no header': {
    options: { weight: 'header:a b' },
    message: /weight is "header:a b": must be header:NAME/,
  },
};
test.each(Object.entries(wrong))('wrong: %s', (_, { options, message }) => {
  expect(() => compileAdmission(options)).toThrow(message);
});
