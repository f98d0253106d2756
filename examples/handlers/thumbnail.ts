/**
 * Makes a thumbnail of a PNG and publishes it on THUMBNAIL_TO (default THUMBNAILS.new). It computes, so it belongs in
 * threads: PENSTOCK_HANDLER_THREADS=true with one slot per core.
 */
import { PNG } from 'pngjs';
import { Discard } from '../../worker/index.ts';
import type { Handler } from '../../worker/index.ts';

const to = process.env['THUMBNAIL_TO'] ?? 'THUMBNAILS.new';
const width = 64;

const thumbnail: Handler = async (job, context) => {
  const image = read(job.data);
  const data = PNG.sync.write(shrink(image, Math.min(width, image.width)));
  await context.publish({
    subject: to,
    data,
    headers: { url: job.headers.get('url') ?? job.idempotencyKey },
  });
  context.logger.info({ from: [image.width, image.height], bytes: data.length }, 'made a thumbnail');
};

export default thumbnail;

function read(data: Uint8Array): PNG {
  try {
    return PNG.sync.read(Buffer.from(data));
  } catch (error) {
    throw new Discard('not a PNG', { cause: error });
  }
}

/** Each pixel is the mean of those that it stands for. */
function shrink(image: PNG, toWidth: number): PNG {
  const scale = image.width / toWidth;
  const small = new PNG({ width: toWidth, height: Math.max(1, Math.round(image.height / scale)) });
  for (let y = 0; y < small.height; y += 1) {
    for (let x = 0; x < small.width; x += 1) {
      const mean = meanOf(image, x * scale, y * scale, scale);
      for (const [channel, value] of mean.entries()) small.data[4 * (y * small.width + x) + channel] = value;
    }
  }
  return small;
}

function meanOf(image: PNG, left: number, top: number, scale: number): number[] {
  const sums = [0, 0, 0, 0];
  let count = 0;
  const right = Math.min(image.width, Math.ceil(left + scale));
  const bottom = Math.min(image.height, Math.ceil(top + scale));
  for (let y = Math.floor(top); y < bottom; y += 1) {
    for (let x = Math.floor(left); x < right; x += 1) {
      const at = 4 * (y * image.width + x);
      for (let channel = 0; channel < 4; channel += 1) {
        sums[channel] = (sums[channel] ?? 0) + (image.data[at + channel] ?? 0);
      }
      count += 1;
    }
  }
  return sums.map((sum) => Math.round(sum / Math.max(1, count)));
}
