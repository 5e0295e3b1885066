import { dirname } from 'node:path';
import type { Plugin } from 'esbuild';

/**
 * What keeps the program small while it runs: the source of every module that was loaded stays in memory, and so does what some of them load
 * besides. Why so, and how much it is: docs/adr/0007-one-bundle.md.
 */
export const leaner: Plugin = {
  name: 'leaner',
  setup: build => {
    // `import` asks every name of node:http for its value, and some stand for a second undici within Node.js; `require` asks for none.
    build.onResolve({ filter: /^(node:)?http$/ }, ({ kind }) =>
      kind === 'import-statement' ? { path: 'node:http', namespace: 'by-require' } : undefined,
    );
    build.onLoad({ filter: /.*/, namespace: 'by-require' }, ({ path }) => ({
      contents: `module.exports = require(${JSON.stringify(path)})`,
    }));

    // Fastify’s own compilers, for JSON Schema: every server of ours names those for zod (src/api/zod-compilers.ts).
    build.onResolve({ filter: /^@fastify\/(ajv|fast-json-stringify)-compiler$/ }, ({ path }) => ({ path, namespace: 'left-out' }));
    build.onLoad({ filter: /.*/, namespace: 'left-out' }, ({ path }) => ({
      contents: `throw new Error(${JSON.stringify(`${path} is left out of the bundle`)})`,
    }));

    // Problems are told in English.
    build.onLoad({ filter: /\/zod\/v4\/locales\/index\.js$/ }, ({ path }) => ({
      contents: "export { default as en } from './en.js'",
      resolveDir: dirname(path),
    }));
  },
};
