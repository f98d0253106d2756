import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { apiVersion } from '#crds/metadata.ts';

/** A temporary folder for what one demo leaves behind while it runs. */
export type WorkFolder = AsyncDisposable & {
  readonly path: string;
  /** Workers append here, one file per process. */
  readonly jobLogs: string;
  readonly operatorLog: string;
  /** Lets disposal remove the folder. Without this it stays, for a person to look at the logs. */
  discard(): void;
  /** Writes the policy document that tells the operator where NATS is. */
  writeConnection(name: string, url: string): Promise<string>;
};

export async function createWorkFolder(): Promise<WorkFolder> {
  const path = await mkdtemp(join(tmpdir(), 'penstock-demo-'));
  const jobLogs = join(path, 'jobs');
  await mkdir(jobLogs);
  let isDiscarded = false;
  return {
    path,
    jobLogs,
    operatorLog: join(path, 'operator.log'),
    discard() {
      isDiscarded = true;
    },
    async writeConnection(name, url) {
      const file = join(path, 'nats.yaml');
      const document = { apiVersion, kind: 'NatsConnection', metadata: { name }, spec: { servers: [url] } };
      await writeFile(file, JSON.stringify(document)); // JSON is YAML.
      return file;
    },
    async [Symbol.asyncDispose]() {
      if (isDiscarded) await rm(path, { recursive: true, force: true, maxRetries: 3 });
    },
  };
}
