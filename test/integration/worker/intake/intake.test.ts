import { once } from 'node:events';
import { request } from 'node:http';
import { connect } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { penstock } from '../../../builders/program.ts';
import type { Program } from '../../../builders/program.ts';
import { until } from '../../../builders/until.ts';
import { startNatsServer } from '../../../tools/natsServer.ts';
import type { NatsServer } from '../../../tools/natsServer.ts';
import { freePort } from '../../../tools/serverProcess.ts';
import { Queue } from '../harness.ts';

let nats: NatsServer;
beforeAll(async () => {
  nats = await startNatsServer();
});
afterAll(() => nats[Symbol.asyncDispose]());

type Intake = Program & { readonly url: string; readonly probes: string };

/** `penstock intake` with one route, /jobs, into the queue. */
async function startIntake(queue: Queue, environment: Record<string, string> = {}): Promise<Intake> {
  const program = penstock(['intake'], {
    NATS_URL: nats.url,
    PENSTOCK_INTAKE_ROUTES: `/jobs=${queue.stream}.job`,
    PENSTOCK_INTAKE_HOST: '127.0.0.1',
    PENSTOCK_INTAKE_PORT: '0',
    PENSTOCK_HTTP_HOST: '127.0.0.1',
    PENSTOCK_HTTP_PORT: '0',
    ...environment,
  });
  const port = (message: string): Promise<number> =>
    until(message, () => {
      if (program.child.exitCode !== null) throw new Error(program.stderr());
      const line = program
        .stdout()
        .split('\n')
        .find((text) => text.includes(message));
      return line === undefined ? undefined : (JSON.parse(line) as { port: number }).port;
    });
  try {
    const probes = `http://127.0.0.1:${await port('metrics and probes are served')}`;
    return Object.assign(program, {
      url: `http://127.0.0.1:${await port('jobs are taken in')}/jobs`,
      probes,
    });
  } catch (error) {
    await program[Symbol.asyncDispose]();
    throw error;
  }
}

const post = (url: string, body: string, headers: Record<string, string> = {}): Promise<Response> =>
  fetch(url, { method: 'POST', body, headers });

describe('a job by HTTP', () => {
  test('is stored with its key and headers before it is answered', async () => {
    await using queue = await Queue.create(nats.url);
    await using intake = await startIntake(queue);
    const headers = {
      'Idempotency-Key': 'first',
      'Content-Type': 'application/json',
      'Penstock-Header-Tenant': 'acme',
    };
    const answers = [await post(intake.url, '{"n":1}', headers), await post(intake.url, '{"n":1}', headers)];
    expect(answers.map(({ status }) => status)).toEqual([202, 202]);
    expect(await Promise.all(answers.map((answer) => answer.json()))).toEqual([
      { stream: queue.stream, sequence: 1, duplicate: false },
      { stream: queue.stream, sequence: 1, duplicate: true },
    ]);
    const message = await queue.jsm.streams.getMessage(queue.stream, { seq: 1 });
    expect(message?.string()).toBe('{"n":1}');
    const own = Object.fromEntries(
      [...(message?.header ?? [])].map(([name, values]) => [name.toLowerCase(), values[0]]),
    );
    expect(own).toEqual({ 'nats-msg-id': 'first', 'content-type': 'application/json', tenant: 'acme' });
  });

  test('comes in many at once, each stored once', async () => {
    await using queue = await Queue.create(nats.url);
    await using intake = await startIntake(queue);
    const statuses = await Promise.all(
      Array.from({ length: 150 }, async (_, n) => (await post(intake.url, `${n}`)).status),
    );
    expect(new Set(statuses)).toEqual(new Set([202]));
    expect(await queue.messages()).toBe(150);
    expect(await (await fetch(`${intake.probes}/metrics`)).text()).toContain(
      'penstock_intake_requests_total{status="202"} 150',
    );
  });
});

describe('what is no good is refused, and stored nowhere', () => {
  const cases: Record<
    string,
    {
      path?: string;
      method?: string;
      body?: string;
      headers?: Record<string, string>;
      status: number;
      says: RegExp;
    }
  > = {
    'an unknown route': {
      path: '/nothing',
      status: 404,
      says: /nothing is taken in at this path; try \/jobs/,
    },
    'another method': { method: 'PUT', status: 405, says: /send a POST/ },
    'a body that is not JSON': { body: '{"n":', status: 400, says: /the body \(5 bytes\) is not JSON/ },
    'a body that is too long': {
      body: `"${'x'.repeat(1_000)}"`,
      status: 413,
      says: /longer than 1000 bytes/,
    },
    'a command to the server': {
      headers: { 'Penstock-Header-Nats-Rollup': 'all' },
      status: 400,
      says: /penstock-header-nats-rollup is not for senders to set/,
    },
  };
  let queue: Queue;
  let intake: Intake;
  beforeAll(async () => {
    queue = await Queue.create(nats.url);
    intake = await startIntake(queue, {
      PENSTOCK_INTAKE_JSON: 'true',
      PENSTOCK_INTAKE_MAX_BODY_BYTES: '1000',
    });
  });
  afterAll(async () => {
    await intake[Symbol.asyncDispose]();
    await queue[Symbol.asyncDispose]();
  });
  test.each(Object.entries(cases))(
    '%s',
    async (_, { path = '/jobs', method = 'POST', body = '1', headers, status, says }) => {
      const answer = await fetch(new URL(path, intake.url), { method, body, ...(headers && { headers }) });
      expect(answer.status).toBe(status);
      expect(((await answer.json()) as { error: string }).error).toMatch(says);
      expect(await queue.messages()).toBe(0);
    },
  );

  test('a body of unknown length that turns out too long', async () => {
    const sent = request(intake.url, { method: 'POST', headers: { 'transfer-encoding': 'chunked' } });
    sent.on('error', () => undefined);
    sent.write('"'.padEnd(600, 'x'));
    sent.write('x'.repeat(600));
    const [answer] = (await once(sent, 'response')) as [{ statusCode: number }];
    expect(answer.statusCode).toBe(413);
    expect(await queue.messages()).toBe(0);
    sent.destroy();
  });

  test('a sender that hangs up in the middle', async () => {
    const { hostname, port } = new URL(intake.url);
    const socket = connect(Number(port), hostname);
    socket.end('POST /jobs HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\n"half');
    socket.destroySoon();
    await once(socket, 'close');
    await until('the place to be free again', async () =>
      (await (await fetch(`${intake.probes}/metrics`)).text()).includes(
        'penstock_intake_requests_in_flight 0',
      ),
    );
    expect(await queue.messages()).toBe(0);
  });
});

describe('without room the answer is 503 with Retry-After', () => {
  test('when the stream is full', async () => {
    await using queue = await Queue.create(nats.url);
    await queue.jsm.streams.update(queue.stream, { max_msgs: 2, discard: 'new' });
    await using intake = await startIntake(queue, { PENSTOCK_INTAKE_RETRY_AFTER_SECONDS: '7' });
    const answers = [await post(intake.url, '1'), await post(intake.url, '2'), await post(intake.url, '3')];
    expect(answers.map(({ status }) => status)).toEqual([202, 202, 503]);
    expect(answers[2]?.headers.get('retry-after')).toBe('7');
    expect(await answers[2]?.json()).toEqual({
      error: expect.stringContaining('maximum messages exceeded') as string,
    });
  });

  test('when the backlog of the consumer has reached its bound, and no longer when it is worked off', async () => {
    await using queue = await Queue.create(nats.url);
    await queue.publish(3);
    await using intake = await startIntake(queue, {
      PENSTOCK_INTAKE_STREAM: queue.stream,
      PENSTOCK_INTAKE_CONSUMER: queue.consumer,
      PENSTOCK_INTAKE_MAX_BACKLOG: '5',
    });
    await until('the backlog to be known', async () =>
      (await (await fetch(`${intake.probes}/metrics`)).text()).includes('penstock_intake_backlog_jobs 3'),
    );
    const statuses = [];
    for (let n = 0; n < 4; n += 1) statuses.push((await post(intake.url, `${n}`)).status);
    expect(statuses).toEqual([202, 202, 503, 503]);
    await queue.jsm.streams.purge(queue.stream);
    await until('room', async () => (await post(intake.url, 'again')).status === 202);
  });

  test('when there are too many a second', async () => {
    await using queue = await Queue.create(nats.url);
    await using intake = await startIntake(queue, {
      PENSTOCK_INTAKE_RATE_PER_SECOND: '0.01',
      PENSTOCK_INTAKE_RATE_BURST: '2',
    });
    const answers = [await post(intake.url, '1'), await post(intake.url, '2'), await post(intake.url, '3')];
    expect(answers.map(({ status }) => status)).toEqual([202, 202, 503]);
    expect(Number(answers[2]?.headers.get('retry-after'))).toBeGreaterThan(50);
  });

  test('when too many are under way', async () => {
    await using queue = await Queue.create(nats.url);
    await using intake = await startIntake(queue, { PENSTOCK_INTAKE_MAX_IN_FLIGHT: '1' });
    const slow = request(intake.url, { method: 'POST', headers: { 'content-length': '4' } });
    slow.write('12');
    await until('the slow one to hold its place', async () =>
      (await (await fetch(`${intake.probes}/metrics`)).text()).includes(
        'penstock_intake_requests_in_flight 1',
      ),
    );
    expect((await post(intake.url, 'next')).status).toBe(503);
    slow.end('34');
    const [answer] = (await once(slow, 'response')) as [{ statusCode: number }];
    expect(answer.statusCode).toBe(202);
  });

  test('while NATS is away, and no longer when it is back', async () => {
    await using own = await startNatsServer();
    await using queue = await Queue.create(own.url);
    await using intake = await startIntake(queue, { NATS_URL: own.url });
    expect((await post(intake.url, '1')).status).toBe(202);
    await own.signal('SIGKILL');
    await until('the refusal', async () => {
      const answer = await post(intake.url, 'meanwhile');
      return answer.status === 503 && (await answer.text()).includes('NATS is not there');
    });
    expect((await fetch(`${intake.probes}/readyz`)).status).toBe(503);
    await own.start();
    await until('it to be taken in', async () => (await post(intake.url, '2')).status === 202);
    expect((await fetch(`${intake.probes}/readyz`)).status).toBe(200);
  });

  test('when no stream listens', async () => {
    await using queue = await Queue.create(nats.url);
    await using intake = await startIntake(queue, { PENSTOCK_INTAKE_ROUTES: '/jobs=nowhere.at.all' });
    const answer = await post(intake.url, '1');
    expect(answer.status).toBe(503);
    expect(await answer.json()).toEqual({
      error: expect.stringContaining('no stream listens there') as string,
    });
  });
});

describe('a stop', () => {
  test('answers what is under way, accepts no more, and exits 0', async () => {
    await using queue = await Queue.create(nats.url);
    await using intake = await startIntake(queue);
    const slow = request(intake.url, { method: 'POST', headers: { 'content-length': '4' } });
    slow.write('12');
    await until('it to be under way', async () =>
      (await (await fetch(`${intake.probes}/metrics`)).text()).includes(
        'penstock_intake_requests_in_flight 1',
      ),
    );
    intake.child.kill('SIGTERM');
    await until('no more to be accepted', async () => {
      const answer = await post(intake.url, 'late').catch(() => undefined);
      return answer === undefined;
    });
    expect((await fetch(`${intake.probes}/readyz`)).status).toBe(503);
    slow.end('34');
    const [answer] = (await once(slow, 'response')) as [{ statusCode: number }];
    expect(answer.statusCode).toBe(202);
    expect(await intake.ended).toBe(0);
    expect(
      (await queue.jsm.streams.getMessage(queue.stream, { last_by_subj: `${queue.stream}.job` }))?.string(),
    ).toBe('1234');
  });

  test('ends the wait for NATS', async () => {
    await using program = penstock(['intake'], {
      NATS_URL: `nats://127.0.0.1:${await freePort()}`,
      PENSTOCK_INTAKE_ROUTES: '/jobs=JOBS.new',
      PENSTOCK_HTTP_HOST: '127.0.0.1',
      PENSTOCK_HTTP_PORT: '0',
    });
    await until('it to wait', () => program.stdout().includes('NATS is not there yet'));
    program.child.kill('SIGTERM');
    expect(await program.ended).toBe(0);
  });
});

test('wrong settings are named, with exit code 2', async () => {
  await using program = penstock(['intake'], { PENSTOCK_INTAKE_ROUTES: 'images' });
  expect(await program.ended).toBe(2);
  expect(program.stderr()).toMatch(
    /PENSTOCK_INTAKE_ROUTES=images: "images" does not look like \/PATH=SUBJECT/,
  );
});
