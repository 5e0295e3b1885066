import { spawn } from 'node:child_process';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startCluster, type TestCluster } from '../cluster/cluster.ts';
import { tempDir } from '../cluster/temp-dir.ts';
import { holdfast, mainFile } from '../helpers/command.ts';
import { connect } from '../helpers/journey.ts';

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
    const data = { text: 'x'.repeat(4000) };
    for (let i = 0; i < 600; i += 30) {
      await Promise.all(
        Array.from({ length: 30 }, (_, n) =>
          api.create(
            configmaps,
            'default',
            JSON.stringify({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: `c-${i + n}` }, data }),
          ),
        ),
      );
    }
    await api.close();
    await holdfast(['keys', 'generate', '--out', join(work, 'keys')]);
    expect((await holdfast(['init', ...flags])).exit).toBe(0);
  });
  afterAll(async () => {
    await cluster?.destroy();
  });

  it('leaves no visible set, whenever it comes, and the next backup is complete', async () => {
    const visible = async (): Promise<unknown[]> => JSON.parse((await holdfast(['backup', 'get', ...flags, '-o', 'json'])).stdout).backups;
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

  /** True where the process was killed before it had ended by itself. */
  async function killAfter(ms: number, args: readonly string[]): Promise<boolean> {
    const child = spawn(process.execPath, [mainFile, ...args], { stdio: 'ignore' });
    const timer = setTimeout(() => child.kill('SIGKILL'), ms);
    const signal = await new Promise<string | null>(resolve => child.once('exit', (_code, by) => resolve(by)));
    clearTimeout(timer);
    return signal === 'SIGKILL';
  }
});
