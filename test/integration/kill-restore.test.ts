import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { apiJson, apiRequest } from '../cluster/api-request.ts';
import { startCluster, type TestCluster } from '../cluster/cluster.ts';
import { tempDir } from '../cluster/temp-dir.ts';
import { waitFor } from '../cluster/wait.ts';
import { applyPlatform } from '../fixtures/platform/apply.ts';
import { holdfast } from '../helpers/command.ts';
import { connect } from '../helpers/journey.ts';
import { killAfter, killWhen } from '../helpers/kill.ts';
import { changed, revisions, settledRevisions } from '../helpers/restore.ts';

describe('kill -9 of the real process during a restore', () => {
  let source: TestCluster;
  let target: TestCluster;
  let work: string;
  let flags: string[];

  beforeAll(async () => {
    [source, target] = await Promise.all([startCluster({ name: 'kill-source' }), startCluster({ name: 'kill-target' })]);
    work = await tempDir('kill');
    const keys = join(work, 'keys');
    flags = ['--location', join(work, 'repository'), '--keys-dir', keys];
    await applyPlatform(source, { argoCrds: 'minimal' });
    await holdfast(['keys', 'generate', '--out', keys]);
    await holdfast(['init', ...flags]);
    const backup = await holdfast(['backup', 'create', ...flags, '--kubeconfig', source.kubeconfig]);
    expect(backup.exit, backup.stderr).toBe(0);
    await source.destroy();
    flags.push('--identity', join(keys, 'operator.identity'), '--kubeconfig', target.kubeconfig);
  });
  afterAll(async () => {
    await source?.destroy();
    await target?.destroy();
  });

  it('loses nothing: the same command run again completes it, and run once more writes nothing', async () => {
    const create = ['restore', 'create', 'latest', ...flags, '--yes'];
    const status = async (path: string) => (await apiRequest(target, path)).status;
    const killed = await killWhen(async () => (await status('/api/v1/namespaces/agent-platform/configmaps/mcp-servers')) === 200, create);
    expect(killed).toBe(true);
    // Served a moment after their definition is; they come last, so that it was killed in the middle.
    const workflows = '/apis/argoproj.io/v1alpha1/workflows';
    await waitFor('workflows served', async () => (await status(workflows)) === 200, { timeoutMs: 60_000 });
    expect((await apiJson<{ items: unknown[] }>(target, workflows)).items).toEqual([]);
    for (const delay of [900, 2000, 3600]) await killAfter(delay, create);
    const again = await holdfast(create);
    expect(again.exit, again.stderr).toBe(0);
    const valid = await holdfast(['validate', 'latest', ...flags, '--no-platform']);
    expect(valid.exit, valid.stdout + valid.stderr).toBe(0);

    const api = await connect(target);
    try {
      const before = await settledRevisions(api);
      const idle = await holdfast([...create, '-o', 'json']);
      expect(idle.exit, idle.stderr).toBe(0);
      expect(changed(before, await revisions(api))).toEqual([]);
    } finally {
      await api.close();
    }
  });
});
