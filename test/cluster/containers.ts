import { request } from 'node:http';

/**
 * Whether servers may run as containers: a Docker engine answers at its local socket within 2 s, and HOLDFAST_TEST_CONTAINERS is not
 * `off`. An engine on another machine is of no use here: the servers' data is in a directory of this one.
 */
export async function containersAvailable(): Promise<boolean> {
  if (process.env.HOLDFAST_TEST_CONTAINERS === 'off') return false;
  const host = process.env.DOCKER_HOST ?? 'unix:///var/run/docker.sock';
  return host.startsWith('unix://') && ping(host.slice('unix://'.length));
}

async function ping(socketPath: string): Promise<boolean> {
  return new Promise(resolve => {
    const call = request({ socketPath, path: '/_ping', timeout: 2_000 }, response => {
      response.resume();
      resolve(response.statusCode === 200);
    });
    call.once('timeout', () => call.destroy());
    call.once('error', () => resolve(false));
    call.end();
  });
}

/** Starts as a container where one may; a container that does not start is told and replaced by a process of this machine. */
export async function containerOr<T>(
  what: string,
  container: () => Promise<T>,
  native: () => Promise<T>,
  onProgress?: (line: string) => void,
): Promise<T> {
  if (!(await containersAvailable())) return native();
  try {
    return await container();
  } catch (thrown) {
    onProgress?.(`${what}: no container (${thrown instanceof Error ? thrown.message : String(thrown)}), starting it natively`);
    return native();
  }
}
