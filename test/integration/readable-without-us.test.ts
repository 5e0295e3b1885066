import { execFile } from 'node:child_process';
import { mkdir, readdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { sha256Hex } from '../../src/crypto/digest.ts';
import { archivePath } from '../../src/domain/resource.ts';
import { fileKey, manifestKey } from '../../src/repository/layout.ts';
import { binary } from '../cluster/binaries.ts';
import { tempDir } from '../cluster/temp-dir.ts';
import {
  configMap,
  effectiveObjects,
  makeRepository,
  newKeys,
  type SetOptions,
  secret,
  type TestObject,
  type TestRepository,
  workflow,
  writeSet,
} from '../contract/repository-fixture.ts';
import { having, programPath } from '../helpers/having.ts';

const { describe } = having('zstd', 'tar', 'jq', 'openssl');
const run = promisify(execFile);
const document = join(import.meta.dirname, '../../docs/format.md');
/** What docs/format.md says is needed, and nothing else. */
const tools = [
  'zstd',
  'tar',
  'jq',
  'openssl',
  'bash',
  'base64',
  'cat',
  'cmp',
  'cut',
  'dirname',
  'head',
  'ls',
  'mkdir',
  'rm',
  'sed',
  'sha256sum',
];
const coreutils = ['test', 'tr', 'xargs'];
const id = '20261123T020000Z-daily-k3f9';

function clusterRole(name: string): TestObject {
  return {
    ref: { group: 'rbac.authorization.k8s.io', version: 'v1', resource: 'clusterroles', namespace: '', name },
    json: JSON.stringify({ apiVersion: 'rbac.authorization.k8s.io/v1', kind: 'ClusterRole', metadata: { name } }),
  };
}

const odd: TestObject[] = [
  ...[
    'system:controller:x',
    'with space',
    '-rf',
    'line\nbreak',
    'back\\slash',
    'ünïcødé 日本語',
    'x'.repeat(300),
    `y${'ü'.repeat(140)}`,
    '*',
    'quo\'te"',
  ].map(clusterRole),
  configMap('a'.repeat(253)),
  configMap('large', 'agents', 'text '.repeat(200_000)),
  configMap('binary', 'agents', '\u0000\u001f\u2028 \ud83e\udd8a'),
  workflow('build-1'),
];

const history: SetOptions = {
  attempts: { configmaps: 2 },
  objects: [
    configMap('only-in-the-first-reading'),
    configMap('changed', 'agents', 'first reading'),
    { ...configMap('changed', 'agents', 'late change of the first reading'), fix: true },
    ...odd.map(object => (object.ref.resource === 'configmaps' ? { ...object, attempt: 2 } : object)),
    { ...configMap('changed', 'agents', 'second reading'), attempt: 2 },
    { ...configMap('deleted'), attempt: 2 },
    ...Array.from({ length: 40 }, (_, i) => secret(`token-${i}`, `value ${i}`)),
    { ...configMap('changed', 'agents', 'late change'), attempt: 2, fix: true },
    { ...configMap('deleted'), attempt: 2, fix: true, gone: true },
    { ...secret('token-3', 'changed late'), fix: true },
    { ...secret('token-4', ''), fix: true, gone: true },
  ],
};

let programs: string;
let location: TestRepository;
const outs: string[] = [];

beforeAll(async () => {
  programs = await tempDir('programs');
  await symlink(await binary('age'), join(programs, 'age'));
  for (const tool of [...tools, ...coreutils]) await symlink(programPath(tool), join(programs, tool));
});

/** The `sh` blocks of the section, one script: the document itself is what is run. */
async function documentedCommands(): Promise<string> {
  const text = await readFile(document, 'utf8');
  const section = text.slice(text.indexOf('\n## Reading everything without Holdfast\n'));
  const blocks = [...section.matchAll(/^```sh\n(.*?)^```$/gms)].map(match => match[1]!);
  expect(blocks.length).toBeGreaterThanOrEqual(7);
  return blocks.join('\n');
}

async function follow(set: string, changes: Record<string, string> = {}): Promise<{ out: string; printed: string; complained: string }> {
  const out = await tempDir('read');
  outs.push(out);
  const identity = join(out, 'identity.txt');
  const signingKey = join(out, 'signing.pub');
  await writeFile(identity, `# the operator's\n${location.keys.identity}\n`, { mode: 0o600 });
  await writeFile(signingKey, location.keys.publicPem);
  const env = { REPO: location.dir, SET: set, IDENTITY: identity, SIGNING_KEY: signingKey, OUT: join(out, 'out'), ...changes };
  await mkdir(env.OUT);
  const { stdout, stderr } = await run(join(programs, 'bash'), ['-c', await documentedCommands()], {
    env: { PATH: programs, LC_ALL: 'C.UTF-8', HOME: out, ...env },
    timeout: 120_000,
  });
  return { out: join(env.OUT, 'objects'), printed: stdout, complained: stderr };
}

async function filesBelow(dir: string): Promise<Map<string, string>> {
  const found = new Map<string, string>();
  for (const entry of await readdir(dir, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name);
    if (entry.isFile()) found.set(path.slice(dir.length + 1), await readFile(path, 'utf8'));
  }
  return found;
}

/** As the document says: a name that is too long for a file's name is replaced by the digest. */
function expectedFiles(options: SetOptions): Map<string, string> {
  return new Map(
    effectiveObjects(options).map(({ ref, json }) => {
      const path = archivePath(ref);
      const tooLong = Buffer.byteLength(ref.name) > 250;
      return [tooLong ? `${dirname(path)}/${sha256Hex(json)}.json` : path, json];
    }),
  );
}

describe('docs/format.md', () => {
  beforeAll(async () => {
    location = await makeRepository();
  });
  afterAll(() => location.remove());

  it.each([
    ['in one shard each', id, {}],
    ['in many shards', '20261123T020001Z-daily-aaaa', { maxTarBytes: 20_000 }],
    ['with a sealed index', '20261123T020002Z-daily-bbbb', { sealIndex: true }],
    ['with nothing in it', '20261123T020003Z-daily-cccc', { objects: [], attempts: {} }],
  ])('brings back every object of a set %s, byte for byte, with stock tools alone', async (_, set, changes) => {
    const options: SetOptions = { ...history, id: set, ...changes };
    await writeSet(location.repository, location.keys, options);
    const { out, complained } = await follow(set);
    expect(complained.split('\n').filter(line => line !== '' && !line.startsWith('Signature'))).toEqual([]);
    expect(await filesBelow(out)).toEqual(expectedFiles(options));
  });
});

describe('docs/format.md, followed on a set that is not what it was,', () => {
  beforeAll(async () => {
    location = await makeRepository();
    await writeSet(location.repository, location.keys, history);
  });
  afterAll(() => location.remove());

  async function flipIn(key: string): Promise<() => Promise<void>> {
    const path = join(location.dir, key);
    const before = await readFile(path);
    const flipped = Buffer.from(before);
    flipped[flipped.length >> 1]! ^= 1;
    await writeFile(path, flipped);
    return () => writeFile(path, before);
  }

  it.each([
    ['the repository’s description', 'holdfast.json'],
    ['the manifest', manifestKey(id)],
    ['a shard', fileKey(id, 'resources-0001.tar.zst.age')],
    ['a shard of Secrets', fileKey(id, 'secrets-0001.tar.zst.age')],
    ['the index', fileKey(id, 'index-0001.ndjson.zst')],
  ])('stops at a flipped bit in %s', async (_, key) => {
    const restore = await flipIn(key);
    try {
      await expect(follow(id)).rejects.toMatchObject({ code: expect.any(Number) });
    } finally {
      await restore();
    }
    await follow(id);
  });

  it('stops at a signature by another key', async () => {
    const stranger = join(outs[0]!, 'stranger.pub');
    await writeFile(stranger, (await newKeys()).publicPem);
    await expect(follow(id, { SIGNING_KEY: stranger })).rejects.toMatchObject({
      stdout: expect.stringContaining('Signature Verification Failure'),
    });
  });
});
