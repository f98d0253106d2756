import { hostname } from 'node:os';
import { z } from 'zod';
import { parseEnvironment } from '#common/environment.ts';
import { logLevels } from '#common/log.ts';
import type { LogLevel } from '#common/log.ts';
import { megabytesToBytes, secondsToMs } from '#common/units.ts';

const splitList = (list: string): string[] =>
  list
    .split(',')
    .map((item) => item.trim())
    .filter((item) => item !== '');

const namespaceName = z.string().regex(/^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/, 'must be the name of a namespace');

/** Settings of the operator on Kubernetes. The chart sets them. */
export const operatorEnvironmentSchema = z.object({
  PENSTOCK_NAMESPACES: z
    .string()
    .default('')
    .transform(splitList)
    .pipe(z.array(namespaceName).max(1_000))
    .describe('Namespaces to look at, separated by commas. Default: all of the cluster.'),
  PENSTOCK_NATS_HOSTS: z
    .string()
    .default('')
    .transform(splitList)
    .describe(
      'Hosts of NATS servers that pools may use, separated by commas, e.g. *.nats.svc. Default: any.',
    ),
  PENSTOCK_PERIOD_SECONDS: z.coerce
    .number()
    .min(0.1)
    .max(3_600)
    .default(1)
    .describe('Time between two looks at a pool. Default 1.'),
  PENSTOCK_HTTP_HOST: z
    .string()
    .min(1)
    .default('0.0.0.0')
    .describe('Address of /metrics and the probes. Default 0.0.0.0.'),
  PENSTOCK_HTTP_PORT: z.coerce
    .number()
    .int()
    .min(0)
    .max(65_535)
    .default(8_080)
    .describe('Their port; 0 takes a free one. Default 8080.'),
  PENSTOCK_LEASE_NAMESPACE: namespaceName
    .optional()
    .describe('Namespace of the lease. Default: POD_NAMESPACE, then default.'),
  PENSTOCK_LEASE_NAME: z
    .string()
    .min(1)
    .max(253)
    .default('penstock-operator')
    .describe('Name of the lease. Default penstock-operator.'),
  PENSTOCK_RECORD_FILE: z
    .string()
    .min(1)
    .optional()
    .describe('File to record observations and decisions in, JSON lines. Default: none is written.'),
  PENSTOCK_RECORD_MEGABYTES: z.coerce
    .number()
    .min(1)
    .max(1_000_000)
    .default(100)
    .describe('Most that the record and the one before it, FILE.1, take together. Default 100.'),
  PENSTOCK_LOG_LEVEL: z
    .enum(logLevels)
    .default('info')
    .describe('Logs on stdout, JSON lines: trace, debug, info (default), warn, error, silent.'),
  POD_NAME: z.string().min(1).max(253).optional().describe('Name of this pod. Default: the host name.'),
  POD_NAMESPACE: namespaceName.optional().describe('Namespace of this pod.'),
});

export type OperatorConfig = {
  /** Empty means all. */
  readonly namespaces: readonly string[];
  /** Patterns; empty means any. */
  readonly natsHosts: readonly string[];
  readonly periodMs: number;
  readonly http: { readonly host: string; readonly port: number };
  readonly lease: { readonly namespace: string; readonly name: string };
  /** Undefined records nothing. */
  readonly record: { readonly file: string; readonly maxBytes: number } | undefined;
  readonly logLevel: LogLevel;
  readonly instance: string;
};

/** @throws PenstockError `InvalidConfiguration` */
export function readConfig(): OperatorConfig {
  const parsed = parseEnvironment(operatorEnvironmentSchema, process.env);
  return {
    namespaces: parsed.PENSTOCK_NAMESPACES,
    natsHosts: parsed.PENSTOCK_NATS_HOSTS,
    periodMs: secondsToMs(parsed.PENSTOCK_PERIOD_SECONDS),
    http: { host: parsed.PENSTOCK_HTTP_HOST, port: parsed.PENSTOCK_HTTP_PORT },
    lease: {
      namespace: parsed.PENSTOCK_LEASE_NAMESPACE ?? parsed.POD_NAMESPACE ?? 'default',
      name: parsed.PENSTOCK_LEASE_NAME,
    },
    record:
      parsed.PENSTOCK_RECORD_FILE === undefined
        ? undefined
        : {
            file: parsed.PENSTOCK_RECORD_FILE,
            maxBytes: megabytesToBytes(parsed.PENSTOCK_RECORD_MEGABYTES),
          },
    logLevel: parsed.PENSTOCK_LOG_LEVEL,
    instance: parsed.POD_NAME ?? hostname(),
  };
}
