import { execFile } from 'node:child_process';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { parseAllDocuments } from 'yaml';
import type { KubeObject } from './api-request.ts';
import { goEnvironment } from './binaries.ts';

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
  return texts
    .flatMap(text =>
      parseAllDocuments(text, { uniqueKeys: false, prettyErrors: false }).map(document => document.toJS() as KubeObject | null),
    )
    .filter(object => object?.kind === 'CustomResourceDefinition') as KubeObject[];
}
