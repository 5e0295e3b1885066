import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { expect, it } from 'vitest';
import { clusterMadeKinds, clusterMadeObjects } from '../../src/backup/exclusions.ts';

it('docs/backup.md lists exactly the kinds and objects that a backup leaves out', () => {
  const text = readFileSync(resolve(import.meta.dirname, '../../docs/backup.md'), 'utf8');
  const table = /<!-- exclusions:begin -->\n\|.*\n\|[-|]+\n([\s\S]*?)<!-- exclusions:end -->/.exec(text)?.[1];
  const kinds = Object.entries(clusterMadeKinds).map(([kind, reason]) => `| \`${kind}\` | ${reason} |`);
  const objects = clusterMadeObjects.map(rule => `| some \`${rule.kind}\` | ${rule.reason} |`);
  expect(table).toBe(`${[...kinds, ...objects].join('\n')}\n`);
});
