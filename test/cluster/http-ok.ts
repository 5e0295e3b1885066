import { request } from 'node:http';

/** Whether a plain HTTP address answers 200; throws when nothing listens or no answer comes within 2 s. */
export async function httpOk(url: string): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const call = request(url, { agent: false, timeout: 2_000 }, response => {
      response.resume();
      resolve(response.statusCode === 200);
    });
    call.once('timeout', () => call.destroy(new Error(`${url}: no answer in time`)));
    call.once('error', reject);
    call.end();
  });
}
