import { dirname, join } from 'node:path';
import { faultOf } from './failures.ts';
import { MoverFault } from './fault.ts';
import type { Restic } from './restic.ts';
import { type ResticFields, type ResticMessage, textOf } from './restic-messages.ts';
import type { RestoreRequest } from './restore.ts';

/** The folder that the snapshot is of. */
export async function sourceOf(restic: Restic, snapshot: string): Promise<string> {
  const { fields } = await list(restic, snapshot, ['/']);
  const [source] = (fields?.['paths'] as readonly string[] | undefined) ?? [];
  if (source === undefined) throw new MoverFault('snapshot-missing', 'the snapshot does not say what it is of');
  return source;
}

/** Those of the included paths that the snapshot does not have. */
export async function missingIn(restic: Restic, { snapshot, include }: RestoreRequest): Promise<string[]> {
  const source = await sourceOf(restic, snapshot);
  // Of a folder restic lists what is in it, and nothing deeper.
  const { nodes } = await list(restic, snapshot, [...new Set(include.map(item => dirname(join(source, item))))]);
  const paths = new Set(nodes.map(node => textOf(node, 'path')));
  return include.filter(item => !paths.has(join(source, item).replace(/(?<=.)\/$/, '')));
}

/** Bytes of one file of the snapshot. */
export async function sizeOf(restic: Restic, snapshot: string, path: string): Promise<number> {
  const { nodes } = await list(restic, snapshot, [path]);
  const node = nodes.find(candidate => candidate['path'] === path && candidate['type'] === 'file');
  if (node === undefined) throw new MoverFault('snapshot-missing', `the snapshot has no ${path}: it is not of a block volume`);
  return typeof node['size'] === 'number' ? node['size'] : 0;
}

async function list(restic: Restic, snapshot: string, folders: readonly string[]) {
  const nodes: ResticFields[] = [];
  let fields: ResticFields | undefined;
  const onMessage = (message: ResticMessage) => {
    if (message.type === 'snapshot') fields = message.fields;
    if (message.type === 'node') nodes.push(message.fields);
  };
  const end = await restic({ args: ['ls', '--no-lock', snapshot, ...folders], onMessage });
  if (end.code !== 0) throw faultOf(end, 'restore');
  return { fields, nodes };
}
