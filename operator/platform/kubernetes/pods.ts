import { z } from 'zod';
import type { ReplicaFacts } from '../../observe/observation.ts';
import type { Metadata } from './resourceCache.ts';

/** Read by the ReplicaSet controller: of the pods it may end, those with the lower cost go first. Default 0. */
export const deletionCostAnnotation = 'controller.kubernetes.io/pod-deletion-cost';
/** Says that the deletion cost beside it is ours, so that nobody else's is ever touched. */
export const victimAnnotation = 'penstock.dev/scale-down-victim';

/** What is kept of a pod: little, as a cluster may have very many. */
export type Pod = {
  readonly namespace: string;
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly createdMs: number;
  readonly readyMs: number | undefined;
  readonly state: ReplicaFacts['state'];
  readonly message: string | undefined;
  /** Marked by us to go first. */
  readonly isVictim: boolean;
  /** Has a deletion cost that somebody else wrote. */
  readonly hasForeignCost: boolean;
};

/** A container that waits for one of these will not start by waiting. */
const failingReasons = new Set([
  'CrashLoopBackOff',
  'ImagePullBackOff',
  'ErrImagePull',
  'ErrImageNeverPull',
  'InvalidImageName',
  'CreateContainerConfigError',
  'CreateContainerError',
  'RunContainerError',
]);

const containerStatusSchema = z.object({
  state: z
    .object({
      waiting: z.object({ reason: z.string().optional(), message: z.string().optional() }).optional(),
    })
    .optional(),
});
const podSchema = z.object({
  status: z
    .object({
      phase: z.string().optional(),
      conditions: z
        .array(
          z.object({
            type: z.string(),
            status: z.string(),
            reason: z.string().optional(),
            message: z.string().optional(),
            lastTransitionTime: z.string().nullish(),
          }),
        )
        .default([]),
      containerStatuses: z.array(containerStatusSchema).default([]),
      initContainerStatuses: z.array(containerStatusSchema).default([]),
    })
    .prefault({}),
});

/** Undefined for pods that have ended: they are nobody's replica any more. */
export function readPod(object: unknown, metadata: Metadata): Pod | undefined {
  const { status } = podSchema.parse(object);
  if (status.phase === 'Succeeded' || status.phase === 'Failed') return undefined;
  const ready = status.conditions.find(({ type }) => type === 'Ready');
  const isReady = ready?.status === 'True';
  const trouble = troubleOf(status);
  return {
    namespace: metadata.namespace,
    name: metadata.name,
    labels: metadata.labels,
    createdMs: Date.parse(metadata.creationTimestamp ?? ''),
    readyMs:
      isReady && typeof ready.lastTransitionTime === 'string'
        ? Date.parse(ready.lastTransitionTime)
        : undefined,
    state:
      metadata.deletionTimestamp !== undefined
        ? 'terminating'
        : (trouble?.state ?? (isReady ? 'ready' : 'starting')),
    message: trouble?.message,
    isVictim: victimAnnotation in metadata.annotations,
    hasForeignCost:
      deletionCostAnnotation in metadata.annotations && !(victimAnnotation in metadata.annotations),
  };
}

/** What the controllers of Deployments and of StatefulSets and DaemonSets write on a pod. */
const revisionLabels = ['pod-template-hash', 'controller-revision-hash'];

export function toReplica(pod: Pod, wallMs: number): ReplicaFacts {
  return {
    name: pod.name,
    state: pod.state,
    // The API server's clock made the pod's time; a skew must not make an age negative.
    ageMs: Number.isFinite(pod.createdMs) ? Math.max(0, wallMs - pod.createdMs) : 0,
    revision: revisionLabels.map((label) => pod.labels[label]).find((value) => value !== undefined),
    startMs: pod.readyMs === undefined ? undefined : Math.max(0, pod.readyMs - pod.createdMs),
    message: pod.message,
  };
}

function troubleOf(
  status: z.output<typeof podSchema>['status'],
): { state: 'failing' | 'unschedulable'; message: string } | undefined {
  const scheduled = status.conditions.find(({ type }) => type === 'PodScheduled');
  if (scheduled?.status === 'False' && scheduled.reason === 'Unschedulable') {
    return { state: 'unschedulable', message: clip(scheduled.message ?? 'no node has room') };
  }
  for (const { state } of [...status.initContainerStatuses, ...status.containerStatuses]) {
    const reason = state?.waiting?.reason;
    if (reason === undefined || !failingReasons.has(reason)) continue;
    return { state: 'failing', message: clip(`${reason}: ${state?.waiting?.message ?? 'no message'}`) };
  }
  return undefined;
}

const clip = (message: string): string => message.slice(0, 300);
