import { randomBytes } from 'node:crypto';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startCluster, type TestCluster } from '../cluster/cluster.ts';
import { tempDir } from '../cluster/temp-dir.ts';
import { holdfast } from '../helpers/command.ts';
import { connect } from '../helpers/journey.ts';
import { killAfter, killWhen } from '../helpers/kill.ts';

const configmaps = {
  group: '',
  version: 'v1',
  resource: 'configmaps',
  kind: 'ConfigMap',
  namespaced: true,
  verbs: ['list', 'create'],
  subresources: [],
};

describe('kill -9 of the real process during a backup', () => {
  let cluster: TestCluster;
  let work: string;
  let flags: string[];

  beforeAll(async () => {
    cluster = await startCluster({ name: 'kill-backup' });
    work = await tempDir('kill');
    flags = ['--location', join(work, 'repository'), '--keys-dir', join(work, 'keys')];
    const api = await connect(cluster);
    // Which no compression makes smaller: several files of 8 MiB.
    for (let i = 0; i < 40; i++) {
      const data = { text: randomBytes(720_000).toString('base64') };
      const object = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: `c-${i}` }, data };
      await api.create(configmaps, 'default', JSON.stringify(object));
    }
    await api.close();
    await holdfast(['keys', 'generate', '--out', join(work, 'keys')]);
    expect((await holdfast(['init', ...flags])).exit).toBe(0);
  });
  afterAll(async () => {
    await cluster?.destroy();
  });

  const visible = async (): Promise<unknown[]> => JSON.parse((await holdfast(['backup', 'get', ...flags, '-o', 'json'])).stdout).backups;

  it('leaves files without a manifest when some of them are stored, and no visible set', async () => {
    const backups = join(work, 'repository', 'backups');
    const filesOf = async (id: string) => (await readdir(join(backups, id))).filter(name => !name.startsWith('.'));
    const known = new Set(await readdir(backups).catch(() => []));
    const begun = async () => (await readdir(backups).catch(() => [])).find(id => !known.has(id));
    const killed = await killWhen(async () => {
      const id = await begun();
      return id !== undefined && (await filesOf(id)).length > 0;
    }, ['backup', 'create', ...flags, '--kubeconfig', cluster.kubeconfig]);
    expect(killed).toBe(true);
    const id = (await begun())!;
    const files = await filesOf(id);
    expect(files.length).toBeGreaterThan(0);
    expect(files).not.toContain('manifest.json');
    expect(await visible()).toEqual([]);
    const described = await holdfast(['backup', 'describe', id, ...flags]);
    expect(described.exit).toBe(10);
    const verified = await holdfast(['verify', 'all', ...flags, '-o', 'json']);
    expect(verified.exit, verified.stderr).toBe(0);
    expect(JSON.parse(verified.stdout.trimEnd().split('\n').at(-1)!)).toMatchObject({ ok: true, sets: [{ id, state: 'incomplete' }] });
  });

  it('leaves no visible set, whenever it comes, and the next backup is complete', async () => {
    const seen: number[] = [];
    for (const delay of [150, 350, 500, 650, 800, 1000]) {
      const before = (await visible()).length;
      const killed = await killAfter(delay, ['backup', 'create', ...flags, '--kubeconfig', cluster.kubeconfig]);
      const manifests = (await visible()).length;
      // A kill between the commit and the exit leaves a whole set, which the verification below opens.
      expect(killed ? [0, 1] : [1], `killed after ${delay} ms`).toContain(manifests - before);
      seen.push(manifests - before);
    }
    expect(seen, 'at least the earliest kill came before the commit').toContain(0);
    const after = await holdfast(['backup', 'create', ...flags, '--kubeconfig', cluster.kubeconfig]);
    expect(after.exit, after.stderr).toBe(0);
    const verified = await holdfast(['verify', 'all', ...flags, '--identity', join(work, 'keys', 'operator.identity')]);
    expect(verified.exit, verified.stderr + verified.stdout).toBe(0);
    expect((await readdir(join(work, 'repository', 'backups'))).length).toBeGreaterThan(0);
  });
});
