import { copyFile, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, expect, it, onTestFinished } from 'vitest';
import { apiJson } from '../cluster/api-request.ts';
import { startCluster, type TestCluster } from '../cluster/cluster.ts';
import { tempDir } from '../cluster/temp-dir.ts';
import { holdfast, ok } from '../helpers/command.ts';
import { projectRoot } from '../helpers/documents.ts';
import { prepareCheckout, shell } from '../helpers/installed.ts';

const namespace = 'agents';

let dir: string;
/** What docs/cluster-gone.md says is to be done, in its order. */
let commands: readonly string[];

async function start(name: string): Promise<TestCluster> {
  const cluster = await startCluster({ name, unsafeNoFsync: true });
  onTestFinished(() => cluster.destroy());
  return cluster;
}

beforeAll(async () => {
  dir = await tempDir('cluster-gone');
  await prepareCheckout(dir);
  const text = await readFile(join(projectRoot, 'docs/cluster-gone.md'), 'utf8');
  commands = [...text.matchAll(/^```sh\n(.*?)^```$/gms)].flatMap(([, block]) => block!.trim().split('\n'));
});

it('a cluster comes back by what the page for the night says, word for word', { timeout: 400_000 }, async () => {
  const lost = await start('gone-lost');
  await apiJson(lost, '/api/v1/namespaces', { method: 'POST', body: { metadata: { name: namespace } } });
  const settings = { metadata: { name: 'settings' }, data: { theme: 'dark' } };
  await apiJson(lost, `/api/v1/namespaces/${namespace}/configmaps`, { method: 'POST', body: settings });
  const location = ['--location', join(dir, 'repository'), '--keys-dir', join(dir, 'keys')];
  ok(await holdfast(['keys', 'generate', '--out', join(dir, 'keys')]));
  ok(await holdfast(['init', ...location]));
  ok(await holdfast(['backup', 'create', ...location, '--kubeconfig', lost.kubeconfig]));
  await lost.destroy();

  const fresh = await start('gone-fresh');
  for (const name of ['operator.identity', 'signing.pub']) await copyFile(join(dir, 'keys', name), join(dir, name));
  const env = {
    HOLDFAST_LOCATION: join(dir, 'repository'),
    HOLDFAST_IDENTITY: 'operator.identity',
    HOLDFAST_SIGNING_PUBLIC_KEY: 'signing.pub',
    HOLDFAST_KUBECONFIG: fresh.kubeconfig,
  };
  expect(commands.map(command => command.split(' ').slice(1, 3).join(' '))).toEqual([
    'backup get',
    'backup describe',
    'verify latest',
    'restore plan',
    'restore create',
    'validate latest',
  ]);
  for (const command of commands) {
    const { exit, said } = await shell(dir, command, env);
    expect(exit, `${command}\n${said}`).toBe(0);
  }
  expect(await apiJson(fresh, `/api/v1/namespaces/${namespace}/configmaps/settings`)).toMatchObject({ data: settings.data });
});
