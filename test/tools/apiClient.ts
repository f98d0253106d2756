import { request } from 'node:https';

export type ApiAnswer = { readonly status: number; readonly body: unknown };

export type ApiClient = {
  /** One request; a body is sent as JSON. */
  readonly ask: (method: string, path: string, body?: unknown, contentType?: string) => Promise<ApiAnswer>;
};

export type ApiAccess = {
  /** Of the API server, without a path. */
  readonly url: string;
  /** PEM of what is trusted; asked for at each request. */
  readonly certificate: () => Promise<string>;
  readonly token: string;
};

export function apiClient({ url, certificate, token }: ApiAccess): ApiClient {
  return {
    async ask(method, path, body, contentType = 'application/json') {
      const headers = { authorization: `Bearer ${token}`, 'content-type': contentType };
      return send(new URL(path, url), { method, headers, ca: await certificate(), agent: false }, body);
    },
  };
}

function send(url: URL, options: Parameters<typeof request>[1], body: unknown): Promise<ApiAnswer> {
  return new Promise((resolve, reject) => {
    const sent = request(url, options, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('end', () => {
        const text = Buffer.concat(chunks).toString();
        const isJson = response.headers['content-type']?.includes('json') === true;
        resolve({ status: response.statusCode ?? 0, body: isJson ? (JSON.parse(text) as unknown) : text });
      });
      response.on('error', reject);
    });
    sent.on('error', reject);
    sent.end(body === undefined ? undefined : JSON.stringify(body));
  });
}
