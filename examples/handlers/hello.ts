import type { Handler } from '../../worker/index.ts';

/** Run it: `npm run penstock -- worker examples/handlers/hello.ts`, with PENSTOCK_STREAM and PENSTOCK_CONSUMER set. */
const hello: Handler = (job, { logger }) => {
  const who = new TextDecoder().decode(job.data);
  logger.info({ who }, 'hello');
};

export default hello;
