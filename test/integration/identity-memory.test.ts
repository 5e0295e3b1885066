import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { bech32 } from '@scure/base';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startCluster, type TestCluster } from '../cluster/cluster.ts';
import { tempDir } from '../cluster/temp-dir.ts';
import { waitFor } from '../cluster/wait.ts';
import { holdfast, ok } from '../helpers/command.ts';
import { canReadMemory, foundInMemory } from '../helpers/process-memory.ts';
import { type Served, startServe } from '../helpers/serve-process.ts';

interface Operation {
  readonly id: string;
  readonly phase: string;
}

/** As it may lie in memory: text of one byte a character and of two, and the private key itself. */
function formsOf(identity: string) {
  const { bytes } = bech32.decodeToBytes(identity);
  return { text: Buffer.from(identity), wide: Buffer.from(identity, 'utf16le'), key: bytes };
}

describe.skipIf(!canReadMemory)('the identity of a request, looked for in the memory of the service', () => {
  let dir: string;
  let cluster: TestCluster;
  let served: Served;
  let operator: string;
  let breakGlass: string;

  const identityOf = async (name: string): Promise<string> => {
    const text = await readFile(join(dir, 'keys', `${name}.identity`), 'utf8');
    return /^AGE-SECRET-KEY-.+$/m.exec(text)![0];
  };

  beforeAll(async () => {
    dir = await tempDir('memory');
    cluster = await startCluster({ name: 'memory', controllers: false, unsafeNoFsync: true });
    const keys = ['--location', join(dir, 'repository'), '--keys-dir', join(dir, 'keys')];
    ok(await holdfast(['keys', 'generate', '--out', join(dir, 'keys')]));
    ok(await holdfast(['init', ...keys]));
    ok(await holdfast(['backup', 'create', ...keys, '--kubeconfig', cluster.kubeconfig]));
    [operator, breakGlass] = [await identityOf('operator'), await identityOf('break-glass')];
    await mkdir(join(dir, 'identities'));
    await writeFile(join(dir, 'identities', 'kept'), `# for restores\n${breakGlass}\n`, { mode: 0o600 });
    served = await startServe({
      ...{ dir, name: 'memory', kubeconfig: cluster.kubeconfig, location: join(dir, 'repository'), keysDir: join(dir, 'keys') },
      more: `  identityDir: ${join(dir, 'identities')}\npolicies: {}\n`,
    });
    await served.said('leading');
  });
  afterAll(async () => {
    served?.signal('SIGKILL');
    await served?.exited;
    await cluster?.destroy();
  });

  /** Requests are read into one buffer of Node, which the next ones overwrite as far as they reach. */
  const others = async () => {
    const response = await served.send('POST', 'verifications', { set: ' '.repeat(500_000) });
    expect(response.status).toBe(400);
  };

  async function done(kind: string, identity: unknown): Promise<void> {
    const response = await served.send('POST', kind, { set: 'latest', identity });
    expect(response.status, await response.clone().text()).toBe(202);
    const { id } = (await response.json()) as Operation;
    await others();
    // Not even while it is held: as text nothing could overwrite it.
    const [{ text: one }, { text: other }] = [formsOf(operator), formsOf(breakGlass)];
    expect(await foundInMemory(served.pid, { one, other })).toEqual([]);
    const phase = await waitFor(
      `${id} has ended`,
      async () => {
        const { phase } = await served.get<Operation>(`operations/${id}`);
        return ['Pending', 'Running'].includes(phase) ? undefined : phase;
      },
      { timeoutMs: 120_000 },
    );
    expect(phase).toBe('Completed');
  }
  const gone = (identity: string) =>
    waitFor('nothing of it is there', async () => (await foundInMemory(served.pid, formsOf(identity))).length === 0 || undefined, {
      timeoutMs: 120_000,
    });

  it('what is held is found: the looking itself works', async () => {
    const pem = await readFile(join(dir, 'keys', 'signing.key'), 'utf8');
    expect(await foundInMemory(served.pid, { signing: Buffer.from(pem.trim()), never: Buffer.from(operator) })).toEqual(['signing']);
  });

  it('is gone after a restore that it was sent along with, in every form', async () => {
    await done('restores', { value: operator });
    await gone(operator);
  });

  it('is gone after a verification, and after a plan', async () => {
    await done('verifications', { value: operator });
    expect((await served.send('POST', 'restores/plan', { set: 'latest', identity: { value: operator } })).status).toBe(200);
    await others();
    await gone(operator);
  });

  it('is gone after a restore that named a file', async () => {
    await done('restores', { file: 'kept' });
    await gone(breakGlass);
  });
});
