import { globSync } from 'node:fs';
import { resolve } from 'node:path';

export const projectRoot = resolve(import.meta.dirname, '../..');

/** Every document of the project, by its path from the root. */
export const documents: readonly string[] = globSync('**/*.md', {
  cwd: projectRoot,
  exclude: ['node_modules', 'dist', '.demo', 'coverage', '.git'],
}).sort();
