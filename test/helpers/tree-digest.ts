import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { lstat, readdir, readFile, readlink } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

export interface TreeEntry {
  readonly type: string;
  readonly mode: string;
  readonly owner: string;
  readonly mtimeNs: string;
  /** Digest of a file, target of a link, numbers of a device. */
  readonly content: string;
  readonly links: number;
}

/** Everything that can be told of a folder and what is in it, by path; the folder itself is `.`. Sockets are left out. */
export async function describeTree(root: string): Promise<Record<string, TreeEntry>> {
  const found: Record<string, TreeEntry> = {};
  const visit = async (path: string): Promise<void> => {
    const stat = await lstat(path, { bigint: true });
    if (stat.isSocket()) return;
    const kinds = [
      ['file', stat.isFile()],
      ['folder', stat.isDirectory()],
      ['link', stat.isSymbolicLink()],
      ['fifo', stat.isFIFO()],
      ['device', stat.isCharacterDevice() || stat.isBlockDevice()],
    ] as const;
    found[relative(root, path) || '.'] = {
      type: kinds.find(([, is]) => is)?.[0] ?? 'other',
      mode: (stat.mode & 0o7777n).toString(8),
      owner: `${stat.uid}:${stat.gid}`,
      mtimeNs: `${stat.mtimeNs}`,
      content: await contentOf(path, stat),
      links: stat.isDirectory() ? 0 : Number(stat.nlink),
    };
    if (stat.isDirectory()) for (const name of (await readdir(path)).sort()) await visit(join(path, name));
  };
  await visit(root);
  return found;
}

type Stat = Awaited<ReturnType<typeof lstat>> | { isFile(): boolean; isSymbolicLink(): boolean; rdev: bigint };

async function contentOf(path: string, stat: Stat): Promise<string> {
  if (stat.isFile())
    return createHash('sha256')
      .update(await readFile(path))
      .digest('hex');
  if (stat.isSymbolicLink()) return readlink(path);
  return `${stat.rdev}`;
}

/** Names and values of the extended attributes of a file. */
export async function attributesOf(path: string): Promise<Record<string, string>> {
  const script =
    'import os,sys,json; p=sys.argv[1]; print(json.dumps({n: os.getxattr(p,n,follow_symlinks=False).hex() for n in os.listxattr(p,follow_symlinks=False)}))';
  return JSON.parse((await run('python3', ['-c', script, path])).stdout) as Record<string, string>;
}

export async function setAttribute(path: string, name: string, value: string): Promise<void> {
  await run('python3', ['-c', 'import os,sys; os.setxattr(sys.argv[1],sys.argv[2],sys.argv[3].encode())', path, name, value]);
}
