import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startCluster, type TestCluster } from '../cluster/cluster.ts';
import { tempDir } from '../cluster/temp-dir.ts';
import { waitFor } from '../cluster/wait.ts';
import { holdfast, ok } from '../helpers/command.ts';
import { type Served, startServe, tokens } from '../helpers/serve-process.ts';

interface Refused {
  readonly actor: { readonly name: string };
  readonly subject: string;
  readonly details: { readonly code: string };
}

interface Ended {
  readonly phase: string;
  readonly summary: { readonly set: string; readonly notProtected: string[] };
}

describe('what a service does not do', () => {
  let dir: string;
  let cluster: TestCluster;
  let served: Served;

  const keys = () => ['--location', join(dir, 'repository'), '--keys-dir', join(dir, 'keys')];

  beforeAll(async () => {
    dir = await tempDir('told');
    cluster = await startCluster({ name: 'told', controllers: false, unsafeNoFsync: true });
    ok(await holdfast(['keys', 'generate', '--out', join(dir, 'keys')]));
    ok(await holdfast(['init', ...keys()]));
    served = await startServe({
      ...{ dir, name: 'told', kubeconfig: cluster.kubeconfig, location: join(dir, 'repository'), keysDir: join(dir, 'keys') },
      more: `policies:
  platform:
    tiers:
      whole: {schedule: "0 2 1 1 *", suspend: true, keep: 12mo, parts: [resources, artifacts, offsiteCopy]}
`,
    });
    await served.said('leading', 60_000);
  });
  afterAll(async () => {
    served?.signal('SIGKILL');
    await served?.exited;
    await cluster?.destroy();
  });

  it('is said of every part of a tier that is not built, in the operation and in the set, never as protected', async () => {
    const response = await served.send('POST', 'backups', {
      policy: 'platform',
      tier: 'whole',
      selection: { includeNamespaces: ['default'] },
    });
    expect(response.status, await response.clone().text()).toBe(202);
    const { id } = (await response.json()) as { id: string };
    const { phase, summary } = await waitFor(
      'the backup has ended',
      async () => {
        const operation = await served.get<Ended>(`operations/${id}`);
        return ['Pending', 'Running'].includes(operation.phase) ? undefined : operation;
      },
      { timeoutMs: 120_000 },
    );
    expect([phase, summary.notProtected]).toEqual(['Completed', ['artifacts', 'offsiteCopy']]);
    const described = JSON.parse(ok(await holdfast(['backup', 'describe', summary.set, '-o', 'json', ...keys()])).stdout);
    expect(described.parts).toEqual([
      { part: 'resources', state: 'protected', reason: '' },
      { part: 'artifacts', state: 'not-protected', reason: expect.stringContaining('no artifact repository') },
      { part: 'offsiteCopy', state: 'not-protected', reason: expect.stringContaining('no copies') },
    ]);
  });

  it('is told to the ledger of the repository where it was refused: to who sends no token, to a stranger, to who may not', async () => {
    const as = (token: string) => ({ authorization: `Bearer ${token}` });
    expect((await fetch(`${served.url}/api/v1/policies`)).status).toBe(401);
    expect((await served.send('GET', 'holds', undefined, as('nobody-knows-this-token'))).status).toBe(401);
    expect((await served.send('POST', 'retention/runs', { confirm: 'a'.repeat(64) }, as(tokens.victor))).status).toBe(403);
    const told = await waitFor(
      'the ledger has all three',
      async () => {
        const { items } = await served.get<{ items: Refused[] }>('ledger?action=request.refused');
        return items.length >= 3 ? items : undefined;
      },
      { timeoutMs: 60_000 },
    );
    expect(told.map(({ actor, subject, details }) => `${actor.name} ${subject} ${details.code}`).toSorted()).toEqual([
      expect.stringMatching(/^unknown \(.+\) GET \/api\/v1\/holds REQUEST_UNAUTHENTICATED$/),
      expect.stringMatching(/^unknown \(.+\) GET \/api\/v1\/policies REQUEST_UNAUTHENTICATED$/),
      'victor POST /api/v1/retention/runs REQUEST_FORBIDDEN',
    ]);
    expect(JSON.stringify(told)).not.toContain('nobody-knows-this-token');
    ok(await holdfast(['ledger', 'verify', ...keys()]));
  });
});
