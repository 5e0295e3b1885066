import { once } from 'node:events';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { type AddressInfo, createServer } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { generateIdentity } from '../../src/crypto/age.ts';
import { apiJson } from '../cluster/api-request.ts';
import { startCluster, type TestCluster } from '../cluster/cluster.ts';
import { tempDir } from '../cluster/temp-dir.ts';
import { waitFor } from '../cluster/wait.ts';
import { holdfast, ok } from '../helpers/command.ts';
import { type Served, startServe, tokens, tokensFileOf } from '../helpers/serve-process.ts';
import { work } from '../helpers/service-work.ts';

const patience = { timeoutMs: 90_000, intervalMs: 100 };
const refused = 'the changed configuration is refused; the one of before stays in force';

interface SetView {
  readonly manifest: {
    readonly encryption: { readonly indexSealed: boolean; readonly recipients: readonly string[] };
    readonly volumes: readonly { readonly claim: string; readonly reason: string }[];
  };
}

/** One process, whose configuration changes again and again. */
describe('a service whose configuration changes', () => {
  let dir: string;
  let cluster: TestCluster;
  let service: Served;
  /** Of the other repository. */
  let recipient: string;
  /** As it was at first. */
  let text: string;

  const lines = (message: string): Record<string, unknown>[] =>
    service
      .log()
      .split('\n')
      .filter(line => line.includes(`"msg":${JSON.stringify(message)}`))
      .map(line => JSON.parse(line) as Record<string, unknown>);
  const write = async (content: string): Promise<void> => {
    await writeFile(service.configFile, content);
    service.signal('SIGHUP');
  };
  /** Writes what the first configuration becomes, and waits until these settings were taken up. */
  const change = async (edit: (text: string) => string, ...settings: string[]): Promise<void> => {
    const before = lines('a setting was changed').length;
    await write(edit(text));
    const taken = async () => {
      const names = lines('a setting was changed')
        .slice(before)
        .map(line => line['setting']);
      return settings.every(setting => names.includes(setting));
    };
    await waitFor(`${settings.join(', ')} was taken up`, taken, patience).catch(thrown => {
      throw new Error(`${(thrown as Error).message}\n${service.log().split('\n').slice(-20).join('\n')}`);
    });
  };
  const replace = (from: string, to: string) => (content: string) => {
    expect(content).toContain(from);
    return content.replace(from, to);
  };
  const asBefore = (content: string) => content;
  /** Writes something that cannot be taken up, and waits until it says why. */
  const changeInVain = async (edit: (text: string) => string, why: string): Promise<void> => {
    await write(edit(text));
    await waitFor(`it says that ${why}`, async () => lines(refused).some(line => JSON.stringify(line['err']).includes(why)), patience);
  };
  const terms = () => lines('leading').length;
  const leads = (term: number) => waitFor(`it leads for the ${term}. time`, async () => terms() === term, patience);
  const status = async (token: string, path = 'policies') => {
    const { status: code } = await fetch(`${service.url}/api/v1/${path}`, { headers: { authorization: `Bearer ${token}` } });
    return code;
  };
  const streamOf = (token: string) =>
    fetch(`${service.url}/api/v1/events`, { headers: { authorization: `Bearer ${token}` }, signal: AbortSignal.timeout(150_000) });
  const backup = async (body: object = {}): Promise<SetView & { readonly id: string }> => {
    const ended = await work(service, 'backups', body);
    expect(ended.summary, JSON.stringify(ended)).toHaveProperty('set');
    const id = String(ended.summary['set']);
    return { ...(await service.get<SetView>(`backups/${id}`)), id };
  };
  const create = (path: string, body: object) => apiJson(cluster, path, { method: 'POST', body });

  beforeAll(async () => {
    dir = await tempDir('reload');
    ok(await holdfast(['keys', 'generate', '--out', join(dir, 'keys')]));
    const init = async (name: string, recipients: readonly string[] = []) =>
      ok(await holdfast(['init', '--location', join(dir, name), '--keys-dir', join(dir, 'keys'), ...recipients]));
    ({ recipient } = await generateIdentity());
    await init('repository');
    await init('other', ['--recipient', recipient]);
    cluster = await startCluster({ name: 'reload', unsafeNoFsync: true });
    for (const name of ['holdfast', 'agents']) await create('/api/v1/namespaces', { metadata: { name } });
    const storage = { accessModes: ['ReadWriteOnce'], storageClassName: '' };
    const csi = { driver: 'disks.example', volumeHandle: 'one' };
    const claimRef = { namespace: 'agents', name: 'one' };
    await create('/api/v1/persistentvolumes', {
      metadata: { name: 'one' },
      spec: { ...storage, csi, claimRef, capacity: { storage: '1Gi' } },
    });
    const claim = '/api/v1/namespaces/agents/persistentvolumeclaims';
    await create(claim, {
      metadata: { name: 'one' },
      spec: { ...storage, volumeName: 'one', resources: { requests: { storage: '1Gi' } } },
    });
    await apiJson(cluster, `${claim}/one/status`, {
      method: 'PATCH',
      contentType: 'application/merge-patch+json',
      body: { status: { phase: 'Bound' } },
    });
    service = await startServe({
      ...{ dir, name: 'reload', kubeconfig: cluster.kubeconfig, location: join(dir, 'repository'), keysDir: join(dir, 'keys') },
      more: 'policies: {}\nvolumes: {namespace: holdfast, liveFallback: false, snapshotClasses: {disks.example: silver}}\n',
      patient: true,
    });
    text = await readFile(service.configFile, 'utf8');
    await leads(1);
  });
  afterAll(async () => {
    service?.signal('SIGKILL');
    await service?.exited;
    await cluster?.destroy();
  });

  it('goes by other tokens at once, and asks who reads along anew', async () => {
    const events = await streamOf(tokens.victor);
    const carol = 'carol-token-0123456789';
    await writeFile(join(dir, 'others'), `${carol},carol,watchers\n${tokens.alice},alice,ops\n`);
    await change(replace(tokensFileOf({ dir, name: 'reload' }), join(dir, 'others')), 'service.auth.tokensFile');
    expect([await status(carol), await status(tokens.alice), await status(tokens.victor)]).toEqual([200, 200, 401]);
    // To its end.
    await events.text();
    await changeInVain(
      replace(tokensFileOf({ dir, name: 'reload' }), join(dir, 'nowhere')),
      `${join(dir, 'nowhere')}: the token file cannot be read`,
    );
    expect([await status(carol), await status(tokens.victor)]).toEqual([200, 401]);
    await change(asBefore, 'service.auth.tokensFile');
    expect([await status(carol), await status(tokens.victor)]).toEqual([401, 200]);
  });

  it('goes by another rate limit while event streams go on', async () => {
    const events = await streamOf(tokens.victor);
    await change(replace('service:\n', 'service:\n  rateLimit: {perMinute: 1}\n'), 'service.rateLimit.perMinute');
    await waitFor('one request a minute is too many', async () => (await status(tokens.victor)) === 429, patience);
    await change(asBefore, 'service.rateLimit.perMinute');
    expect(await status(tokens.victor)).toBe(200);
    const { id } = await backup({ tier: 'while-watched' });
    let told = '';
    for await (const chunk of events.body!) {
      told += Buffer.from(chunk).toString('utf8');
      if (told.includes(id)) break;
    }
    expect(told).toContain(id);
  });

  it('is served at another address, and stays where it was while that is not to be had', async () => {
    const before = service.url;
    const server = createServer();
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    await changeInVain(replace('listen: 127.0.0.1:0', `listen: 127.0.0.1:${port}`), `127.0.0.1:${port} cannot be listened on (EADDRINUSE)`);
    expect([service.url, await status(tokens.alice)]).toEqual([before, 200]);
    // It is tried again by itself.
    await new Promise(resolve => server.close(resolve));
    await waitFor('it has moved', async () => service.url.endsWith(`:${port}`), patience);
    expect(await status(tokens.alice)).toBe(200);
    await expect(fetch(`${before}/healthz`)).rejects.toThrow();
    const { metricsUrl } = service;
    await change(replace('metricsListen: 127.0.0.1:0', 'metricsListen: 127.0.0.2:0'), 'service.metricsListen', 'service.listen');
    await waitFor('its metrics are elsewhere', async () => service.metricsUrl !== metricsUrl, patience);
    expect((await fetch(service.metricsUrl)).status).toBe(200);
    await expect(fetch(metricsUrl)).rejects.toThrow();
  });

  it('captures volumes and seals by other settings from the next backup on', async () => {
    const [first] = (await backup({ volumes: 'snapshots' })).manifest.volumes;
    expect(first).toMatchObject({ claim: 'one', reason: expect.stringContaining('VolumeSnapshotClass silver, which') });
    await change(replace('disks.example: silver', 'disks.example: gold'), 'volumes.snapshotClasses.disks.example');
    const [second] = (await backup({ volumes: 'snapshots' })).manifest.volumes;
    expect(second).toMatchObject({ claim: 'one', reason: expect.stringContaining('VolumeSnapshotClass gold, which') });
    await change(replace('location:', 'sealIndex: true\nlocation:'), 'sealIndex');
    expect((await backup()).manifest.encryption.indexSealed).toBe(true);
    await changeInVain(replace('location:', `recipients: [${recipient}]\nlocation:`), 'the recipients given are not the repository’s');
    expect((await backup()).manifest.encryption).toMatchObject({ indexSealed: true, recipients: [expect.any(String), expect.any(String)] });
    await change(asBefore, 'sealIndex');
    expect((await backup()).manifest.encryption.indexSealed).toBe(false);
    expect(terms()).toBe(1);
  });

  it('is opened anew for another location, once that can be opened, and for another Lease', async () => {
    const sets = async (name: string): Promise<number> => {
      const files = await readdir(join(dir, name), { recursive: true });
      return files.filter(file => file.endsWith('manifest.json')).length;
    };
    const before = await sets('repository');
    expect(before).toBeGreaterThan(0);
    await changeInVain(replace(join(dir, 'repository'), join(dir, 'nowhere')), join(dir, 'nowhere'));
    await backup();
    expect([await sets('repository'), await sets('other'), terms()]).toEqual([before + 1, 0, 1]);

    const other = replace(`location: ${join(dir, 'repository')}`, `location: ${join(dir, 'other')}\nrecipients: [${recipient}]`);
    await change(other, 'location', 'recipients');
    await leads(2);
    expect((await backup()).manifest.encryption.recipients).toHaveLength(1);
    expect([await sets('repository'), await sets('other')]).toEqual([before + 1, 1]);
    expect((await service.get<{ items: unknown[] }>('backups')).items).toHaveLength(1);

    await change(replace('{leaseDuration: 15s', '{name: another, leaseDuration: 15s'), 'service.leaderElection.name', 'location');
    await leads(3);
    const at = '/apis/coordination.k8s.io/v1/namespaces/default/leases/another';
    expect((await apiJson<{ spec: { holderIdentity: string } }>(cluster, at)).spec.holderIdentity).toContain('reload');
    await waitFor('it is ready', async () => (await fetch(`${service.url}/readyz`)).status === 200, patience);
    expect((await service.get<{ items: unknown[] }>('backups')).items.length).toBe(before + 1);
    service.signal('SIGTERM');
    expect(await service.exited).toBe(0);
  });
});
