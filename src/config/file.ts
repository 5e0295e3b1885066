import { readFile } from 'node:fs/promises';
import { type Document, isMap, isSeq, LineCounter, type Node, parseDocument, visit } from 'yaml';
import { HoldfastError } from '../domain/errors.ts';

/** A configuration file as read, and where in it each setting stands. */
export interface ConfigFile {
  readonly name: string;
  readonly content: unknown;
  /** `holdfast.yaml:3` for the key at this path; the nearest parent that is there. */
  where(path: readonly PropertyKey[]): string;
}

const unreadable: Readonly<Record<string, string>> = { ENOENT: 'no such file', EISDIR: 'it is a folder', EACCES: 'permission denied' };

/** Errors: CONFIG_INVALID with the file's name and line. `name` is what the user wrote. */
export async function readConfigFile(name: string, resolved: string): Promise<ConfigFile> {
  let text: string;
  try {
    text = await readFile(resolved, 'utf8');
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    throw new HoldfastError('CONFIG_INVALID', `cannot read config file ${name}: ${unreadable[code ?? ''] ?? message}`, {
      cause: error,
      hint: 'name a readable YAML file',
    });
  }
  return parseConfigFile(name, text);
}

/** Errors: CONFIG_INVALID with the file's name and line. */
export function parseConfigFile(name: string, text: string): ConfigFile {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false, logLevel: 'error' });
  const refuse = (offset: number, message: string) => {
    const why = `${message.charAt(0).toLowerCase()}${message.slice(1)}`;
    return new HoldfastError('CONFIG_INVALID', `${name}:${lines.linePos(offset).line}: ${why}`);
  };
  const [broken] = document.errors;
  if (broken !== undefined) throw refuse(broken.pos[0], broken.message);
  visit(document, {
    Alias: (_, alias) => {
      if (alias.resolve(document) === undefined) throw refuse(alias.range?.[0] ?? 0, `*${alias.source} refers to nothing before it`);
    },
  });
  return { name, content: contentOf(document, refuse), where: path => `${name}:${lines.linePos(offsetOf(document, path)).line}` };
}

function contentOf(document: Document, refuse: (offset: number, message: string) => HoldfastError): unknown {
  try {
    return document.toJS() ?? {};
  } catch (thrown) {
    // Aliases of aliases that would unfold into more than any configuration is.
    throw refuse(document.range?.[0] ?? 0, (thrown as Error).message);
  }
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
