import { execFile } from 'node:child_process';
import { createHash, randomUUID } from 'node:crypto';
import { mkdir, readdir, readFile, rename, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { parseAllDocuments } from 'yaml';
import type { KubeObject } from './api-request.ts';
import { cacheDir, goEnvironment } from './binaries.ts';

const run = promisify(execFile);
const pins = join(import.meta.dirname, 'tools', 'crds');

export type PinnedModule =
  | 'github.com/argoproj/argo-workflows/v3'
  | 'github.com/cert-manager/cert-manager'
  | 'github.com/kubernetes-csi/external-snapshotter/client/v8';

/** Directory of a module at the version and checksum that tools/crds pins, fetched on first use. Read-only. */
export async function goModuleDir(path: PinnedModule): Promise<string> {
  const env = { ...process.env, ...goEnvironment() };
  try {
    const { stdout } = await run('go', ['mod', 'download', '-json', path], { cwd: pins, env, timeout: 300_000 });
    return (JSON.parse(stdout) as { Dir: string }).Dir;
  } catch (thrown) {
    const detail = thrown as { code?: unknown; stdout?: string; message: string };
    const why = detail.code === 'ENOENT' ? 'the go command is not in PATH' : detail.stdout || detail.message;
    throw new Error(`cannot fetch the Go module ${path}: ${why}`, { cause: thrown });
  }
}

/** CustomResourceDefinitions in the YAML files of a folder, in the order of the file names. */
export async function definitionsIn(folder: string): Promise<KubeObject[]> {
  const files = (await readdir(folder)).filter(file => file.endsWith('.yaml')).sort();
  const texts = await Promise.all(files.map(file => readFile(join(folder, file), 'utf8')));
  const key = createHash('sha256').update(texts.join('\0')).digest('hex').slice(0, 12);
  const cached = join(cacheDir(), 'definitions', `${key}.json`);
  const known = await readFile(cached, 'utf8').catch(() => undefined);
  if (known) return JSON.parse(known) as KubeObject[];
  const definitions = texts.flatMap(parseDefinitions);
  await mkdir(dirname(cached), { recursive: true });
  const temporary = `${cached}.${randomUUID()}`;
  await writeFile(temporary, JSON.stringify(definitions));
  await rename(temporary, cached);
  return definitions;
}

/** Takes seconds for the megabytes of Argo's schemas, hence the cache above. */
function parseDefinitions(text: string): KubeObject[] {
  const documents = parseAllDocuments(text, { uniqueKeys: false, prettyErrors: false });
  const objects = documents.map(document => document.toJS() as KubeObject | null);
  return objects.filter(object => object?.kind === 'CustomResourceDefinition') as KubeObject[];
}

/** Of snapshots of single volumes: those of groups are left out. */
export async function snapshotDefinitions(): Promise<KubeObject[]> {
  const module = await goModuleDir('github.com/kubernetes-csi/external-snapshotter/client/v8');
  return (await definitionsIn(join(module, 'config', 'crd'))).filter(({ metadata }) => metadata.name.endsWith('.snapshot.storage.k8s.io'));
}
