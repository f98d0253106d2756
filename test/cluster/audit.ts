import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { readAuditLog } from '../tools/controlPlane.ts';
import type { AuditEvent } from '../tools/controlPlane.ts';
import { suitePlace } from './suite.ts';

/** Writes that the API server has carried out in a namespace, oldest first. */
async function writesIn(namespace: string): Promise<AuditEvent[]> {
  const log = await readFile(join(suitePlace.folder, 'control-plane/audit.log'), 'utf8');
  return readAuditLog(log).filter(
    ({ objectRef, responseStatus }) =>
      objectRef?.namespace === namespace && (responseStatus?.code ?? 500) < 300,
  );
}

/** Who has set the replicas of Deployments in a namespace through `/scale`, without repetitions. */
export async function scalersIn(namespace: string): Promise<string[]> {
  const writes = await writesIn(namespace);
  const scaling = writes.filter(({ objectRef }) => objectRef?.subresource === 'scale');
  return [...new Set(scaling.map(({ user }) => user.username))];
}

/** Pods that were deleted one by one in a namespace, as a scale-down does, and when. */
export async function deletedPodsIn(namespace: string): Promise<{ pod: string; atMs: number }[]> {
  return (await writesIn(namespace)).flatMap(({ verb, objectRef, requestReceivedTimestamp }) =>
    verb === 'delete' && objectRef?.resource === 'pods' && objectRef.name !== undefined
      ? [{ pod: objectRef.name, atMs: Date.parse(requestReceivedTimestamp) }]
      : [],
  );
}
