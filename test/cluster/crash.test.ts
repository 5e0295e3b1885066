import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { access } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterEach, expect } from 'vitest';
import { having } from '../helpers/having.ts';
import { waitFor } from './wait.ts';

let child: ChildProcess | undefined;
afterEach(() => void child?.kill('SIGKILL'));

/** Processes whose command line names the directory: all servers of the cluster in it, and their guards. */
function processesOf(dir: string): string[] {
  const lines = execFileSync('ps', ['-e', '-ww', '-o', 'pid=,args='], { encoding: 'utf8' }).split('\n');
  return lines.filter(line => line.includes(dir));
}

having('ps').it('after kill -9 of the process that started a cluster, no server and no data is left', async () => {
  const script = `import { startCluster } from ${JSON.stringify(join(import.meta.dirname, 'cluster.ts'))};
    console.log((await startCluster({ name: 'crash' })).dir);
    setInterval(() => {}, 1000);`;
  child = spawn(process.execPath, ['--input-type=module', '-e', script], { stdio: ['ignore', 'pipe', 'inherit'] });
  const [dir] = (await once(createInterface({ input: child.stdout! }), 'line')) as [string];
  expect(processesOf(dir).join('\n')).toMatch(/etcd.*kube-apiserver.*kube-controller-manager/s);
  await access(dir);

  child.kill('SIGKILL');

  await waitFor('servers gone', async () => processesOf(dir).length === 0, { timeoutMs: 90_000 });
  await waitFor(
    'data gone',
    async () =>
      access(dir).then(
        () => false,
        () => true,
      ),
    { timeoutMs: 90_000 },
  );
});
