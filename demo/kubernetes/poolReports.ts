import { PenstockError } from '#common/errors.ts';
import type { WorkerPoolStatus } from '#crds/worker-pool-status.ts';
import type { PoolReport } from '../poolReport.ts';

type PoolReports = {
  readonly reports: readonly PoolReport[];
  /**
   * Adds one of what the API server says now.
   *
   * @throws PenstockError `ImageMissing` when no replica will ever start; `ClusterFailed` when the API server refuses.
   */
  readonly look: () => Promise<void>;
};

export type Pod = {
  readonly metadata: { readonly deletionTimestamp?: string };
  readonly status?: {
    readonly conditions?: readonly { readonly type: string; readonly status: string }[];
    readonly containerStatuses?: readonly {
      readonly image?: string;
      readonly state?: { readonly waiting?: { readonly reason?: string; readonly message?: string } };
    }[];
  };
};

/** What a kubelet says of a container whose image it does not get. */
const imageFaults = new Set([
  'ErrImagePull',
  'ImagePullBackOff',
  'ErrImageNeverPull',
  'InvalidImageName',
  'ImageInspectError',
  'RegistryUnavailable',
  'SignatureValidationFailed',
]);

/**
 * Reports of a pool by its status and its pods. A status is written on change only, so that its figures are those of the
 * latest change; utilization is not among them.
 *
 * @param url of an API server that asks for no login, as `kubectl proxy` opens it.
 */
export function followPool(url: string, namespace: string, pool: string, release: string): PoolReports {
  const reports: PoolReport[] = [];
  let scaledAt: string | undefined;
  return {
    reports,
    async look() {
      const poolPath = `/apis/penstock.dev/v1alpha1/namespaces/${namespace}/workerpools/${pool}`;
      const podsPath = `/api/v1/namespaces/${namespace}/pods?labelSelector=app.kubernetes.io/instance=${release}`;
      const [{ status = {} }, { items }] = await Promise.all([
        get<{ status?: WorkerPoolStatus }>(url, poolPath),
        get<{ items: Pod[] }>(url, podsPath),
      ]);
      const hasScaled = status.lastScale !== undefined && status.lastScale.time !== scaledAt;
      scaledAt = status.lastScale?.time;
      const fault = missingImage(items);
      if (fault !== undefined) throw new PenstockError('ImageMissing', fault);
      reports.push(reportOf(status, items, hasScaled, new Date()));
    },
  };
}

export function reportOf(
  status: WorkerPoolStatus,
  pods: readonly Pod[],
  hasScaled: boolean,
  now: Date,
): PoolReport {
  const states = pods.map(stateOf);
  const count = (state: PodState): number => states.filter((one) => one === state).length;
  return {
    time: now.toISOString(),
    replicas: {
      desired: status.desiredReplicas ?? null,
      ready: count('ready'),
      starting: count('starting'),
      terminating: count('terminating'),
      failing: count('failing'),
    },
    signals: { backlogMessages: status.backlogMessages ?? null, utilization: null },
    decision: { reason: status.reason ?? '-', message: status.message ?? 'the operator has not looked yet' },
    outcome: hasScaled ? { kind: 'scaled' } : null,
  };
}

/**
 * Why no replica starts, when it is for want of the image; undefined otherwise. One that is ready shows that the image can
 * be had: then a node without it is no reason to end.
 */
export function missingImage(pods: readonly Pod[]): string | undefined {
  if (pods.some((pod) => stateOf(pod) === 'ready')) return undefined;

  const container = pods
    .flatMap(({ status }) => status?.containerStatuses ?? [])
    .find(({ state }) => imageFaults.has(state?.waiting?.reason ?? ''));
  if (container === undefined) return undefined;
  const { reason = '', message = 'no more is told' } = container.state?.waiting ?? {};
  return (
    `the workers cannot start, as a node does not get their image ${container.image ?? ''} (${reason}: ${message}); ` +
    '--worker-image must name one that the nodes of the cluster have or can pull'
  );
}

type PodState = 'ready' | 'starting' | 'terminating' | 'failing';

function stateOf({ metadata, status }: Pod): PodState {
  if (metadata.deletionTimestamp !== undefined) return 'terminating';
  if (status?.conditions?.some((c) => c.type === 'Ready' && c.status === 'True') === true) return 'ready';
  const waits = status?.containerStatuses?.map(({ state }) => state?.waiting?.reason) ?? [];
  const isFault = (reason = ''): boolean => /BackOff|Err/.test(reason) || imageFaults.has(reason);
  return waits.some(isFault) ? 'failing' : 'starting';
}

async function get<T>(url: string, path: string): Promise<T> {
  const answer = await fetch(new URL(path, url));
  if (!answer.ok)
    throw new PenstockError('ClusterFailed', `GET ${path}: ${answer.status} ${await answer.text()}`);
  return (await answer.json()) as T; // The API server holds its objects to their schemas.
}
