import { createHash } from 'node:crypto';
import type { RequestOptions } from 'node:https';
import type { KubeConfig } from '@kubernetes/client-node';
import { Agent } from 'undici';
import type { Dispatcher } from 'undici';

/** What a request needs beside its path. */
export type Access = {
  readonly server: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly dispatcher: Dispatcher;
};

const connectTimeoutMs = 5_000;

/**
 * Credentials by the client library, connections kept: the library makes a new dispatcher, and so a new TLS
 * connection, for every request. Ours lives as long as the TLS material stays the same, so that a rotated CA or
 * certificate is used at once and nothing else reconnects.
 */
export class Transport implements AsyncDisposable {
  readonly #config: KubeConfig;
  #key = '';
  #agent: Agent | undefined;
  readonly #retired = new Set<Agent>();
  #heardMs = 0;

  constructor(config: KubeConfig) {
    this.#config = config;
  }

  async access(): Promise<Access> {
    const cluster = this.#config.getCurrentCluster();
    if (cluster === null) throw new Error('the kubeconfig has no current context');
    const options: RequestOptions = {};
    await this.#config.applyToHTTPSOptions(options);
    const headers = Object.fromEntries(
      Object.entries(options.headers ?? {}).map(([name, value]) => [name, String(value)]),
    );
    if (typeof options.auth === 'string') {
      headers['authorization'] = `Basic ${Buffer.from(options.auth).toString('base64')}`;
    }
    return { server: cluster.server, headers, dispatcher: this.#dispatcher(options) };
  }

  /** The server has answered. */
  heard(): void {
    this.#heardMs = performance.now();
  }

  /**
   * A request has waited so long in vain. All share one connection, and one over which nothing has come in that time may
   * be dead without anybody having been told: the next request opens another. Watches stay, until they miss something.
   */
  silent(waitedMs: number): void {
    if (performance.now() - this.#heardMs < waitedMs) return;
    this.#retire();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#retire();
    await Promise.all([...this.#retired].map((agent) => agent.destroy()));
  }

  /** Requests under way end on the old connections; the old agent closes behind them. */
  #retire(): void {
    const agent = this.#agent;
    if (agent === undefined) return;
    this.#agent = undefined;
    this.#retired.add(agent);
    agent
      .close()
      .catch(() => undefined)
      .finally(() => this.#retired.delete(agent));
  }

  #dispatcher({ ca, cert, key, servername, rejectUnauthorized }: RequestOptions): Dispatcher {
    const material = JSON.stringify([ca, cert, key, servername, rejectUnauthorized].map(String));
    const wanted = createHash('sha256').update(material).digest('hex');
    if (this.#agent !== undefined && this.#key === wanted) return this.#agent;
    this.#retire();
    this.#key = wanted;
    this.#agent = new Agent({
      connectTimeout: connectTimeoutMs,
      connect: {
        ...(ca === undefined ? {} : { ca }),
        ...(cert === undefined ? {} : { cert }),
        ...(key === undefined ? {} : { key }),
        ...(servername === undefined ? {} : { servername }),
        ...(rejectUnauthorized === undefined ? {} : { rejectUnauthorized }),
      },
    });
    return this.#agent;
  }
}
