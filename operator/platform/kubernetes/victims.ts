import type { Api } from './api.ts';
import { path } from './api.ts';
import { isNotFound } from './apiError.ts';
import { deletionCostAnnotation, victimAnnotation } from './pods.ts';
import type { Pod } from './pods.ts';

/** Below every pod that nobody marked. */
const victimCost = '-1000';

const podPath = ({ namespace, name }: Pod): string =>
  path('api', 'v1', 'namespaces', namespace, 'pods', name);

/**
 * Marks the pods that should go, and takes our mark from those that should not any more. Best effort: a pod that is
 * gone needs no mark, and a cost that somebody else wrote is left alone.
 */
export async function markVictims(
  api: Api,
  pods: readonly Pod[],
  victims: ReadonlySet<string>,
): Promise<void> {
  const changes = pods.filter((pod) => {
    if (pod.state === 'terminating' || pod.hasForeignCost) return false;
    return pod.isVictim !== victims.has(pod.name);
  });
  await Promise.all(
    changes.map(async (pod) => {
      const isVictim = victims.has(pod.name);
      const annotations = {
        [deletionCostAnnotation]: isVictim ? victimCost : null,
        [victimAnnotation]: isVictim ? 'true' : null,
      };
      try {
        await api.call('PATCH', podPath(pod), { body: { metadata: { annotations } } });
      } catch (error) {
        if (!isNotFound(error)) throw error;
      }
    }),
  );
}
