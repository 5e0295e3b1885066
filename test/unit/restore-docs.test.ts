import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { clusterOwnedFields } from '../../src/domain/cluster-owned.ts';
import { namespaceReferences } from '../../src/domain/namespace-mapping.ts';

const text = readFileSync(resolve(import.meta.dirname, '../../docs/restore.md'), 'utf8');

function table(name: string): string | undefined {
  return new RegExp(`<!-- ${name}:begin -->\\n\\|.*\\n\\|[-|]+\\n([\\s\\S]*?)<!-- ${name}:end -->`).exec(text)?.[1];
}

describe('docs/restore.md', () => {
  it('lists exactly the fields that a cluster owns', () => {
    const rows = clusterOwnedFields.map(
      ({ kind, path, reason }) => `| ${kind === '*' ? 'every kind' : `\`${kind}\``} | \`${path}\` | ${reason} |`,
    );
    expect(table('owned')).toBe(`${rows.join('\n')}\n`);
  });

  it('lists exactly the references that a namespace mapping changes', () => {
    const rows = Object.entries(namespaceReferences).flatMap(([kind, paths]) => paths.map(path => `| \`${kind}\` | \`${path}\` |`));
    expect(table('references')).toBe(`${rows.join('\n')}\n`);
  });
});
