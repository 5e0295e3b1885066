import { readFile } from 'node:fs/promises';
import { type Document, isMap, isSeq, LineCounter, type Node, parseDocument } from 'yaml';
import { HoldfastError } from '../domain/errors.ts';

/** A configuration file as read, and where in it each setting stands. */
export interface ConfigFile {
  readonly name: string;
  readonly content: unknown;
  /** `holdfast.yaml:3` for the key at this path; the nearest parent that is there. */
  where(path: readonly PropertyKey[]): string;
}

/** Errors: CONFIG_INVALID with the file's name and line. `name` is what the user wrote. */
export async function readConfigFile(name: string, resolved: string): Promise<ConfigFile> {
  let text: string;
  try {
    text = await readFile(resolved, 'utf8');
  } catch (error) {
    const why = error instanceof Error && 'code' in error && error.code === 'ENOENT' ? 'no such file' : (error as Error).message;
    throw new HoldfastError('CONFIG_INVALID', `cannot read config file ${name}: ${why}`, { cause: error });
  }
  return parseConfigFile(name, text);
}

/** Errors: CONFIG_INVALID with the file's name and line. */
export function parseConfigFile(name: string, text: string): ConfigFile {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false });
  const [broken] = document.errors;
  if (broken !== undefined) {
    const message = `${broken.message.charAt(0).toLowerCase()}${broken.message.slice(1)}`;
    throw new HoldfastError('CONFIG_INVALID', `${name}:${lines.linePos(broken.pos[0]).line}: ${message}`);
  }
  return {
    name,
    content: document.toJS() ?? {},
    where: path => `${name}:${lines.linePos(offsetOf(document, path)).line}`,
  };
}

function offsetOf(document: Document, path: readonly PropertyKey[]): number {
  let node = document.contents as Node | null;
  let offset = node?.range?.[0] ?? 0;
  for (const segment of path) {
    if (isMap(node)) {
      const pair = node.items.find(item => String(item.key) === String(segment));
      if (pair === undefined) return offset;
      offset = (pair.key as Node).range?.[0] ?? offset;
      node = pair.value as Node | null;
    } else if (isSeq(node)) {
      node = (node.items[Number(segment)] as Node | undefined) ?? null;
      offset = node?.range?.[0] ?? offset;
    }
  }
  return offset;
}
