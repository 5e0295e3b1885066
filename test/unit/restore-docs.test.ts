import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { clusterOwnedFields } from '../../src/domain/cluster-owned.ts';
import { namespaceReferences } from '../../src/domain/namespace-mapping.ts';

const text = readFileSync(resolve(import.meta.dirname, '../../docs/restore.md'), 'utf8');
const between = (name: string): string | undefined =>
  new RegExp(`<!-- ${name}:begin -->\\n([\\s\\S]*?)<!-- ${name}:end -->`).exec(text)?.[1];
const lines = (rows: readonly string[]): string => `${rows.join('\n')}\n`;

describe('docs/restore.md', () => {
  it('lists exactly the fields that a restore leaves to the cluster', () => {
    const rows = clusterOwnedFields.map(
      ({ kind, path, reason }) => `| ${kind === '*' ? 'every kind' : `\`${kind}\``} | \`${path}\` | ${reason} |`,
    );
    expect(between('owned')).toBe(lines(rows));
  });

  it('lists exactly the references that follow a namespace mapping', () => {
    const rows = Object.entries(namespaceReferences).flatMap(([kind, paths]) => paths.map(path => `| \`${kind}\` | \`${path}\` |`));
    expect(between('references')).toBe(lines(rows));
  });
});
