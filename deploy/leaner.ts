import { dirname } from 'node:path';
import type { Plugin } from 'esbuild';

/** One that is missing here, and that somebody imports, fails the build. */
const httpNames = [
  'Agent',
  'IncomingMessage',
  'METHODS',
  'STATUS_CODES',
  'Server',
  'ServerResponse',
  'createServer',
  'get',
  'globalAgent',
  'request',
];

/**
 * What keeps the program small while it runs: the source of every module that was loaded stays in memory, and so does what some of them load
 * besides. Why so, and how much it is: docs/adr/0007-one-bundle.md.
 */
export const leaner: Plugin = {
  name: 'leaner',
  setup: build => {
    // `import` asks every name of node:http for its value, and some stand for a second undici within Node.js; `require` asks for none.
    build.onResolve({ filter: /^(node:)?http$/ }, ({ kind }) =>
      kind === 'require-call' ? undefined : { path: 'node:http', namespace: 'by-require' },
    );
    build.onLoad({ filter: /.*/, namespace: 'by-require' }, () => ({
      contents: `import http from './required'; export const { ${httpNames.join(', ')} } = http; export default http`,
    }));
    build.onResolve({ filter: /^\.\/required$/, namespace: 'by-require' }, () => ({ path: 'node:http', namespace: 'required' }));
    build.onLoad({ filter: /.*/, namespace: 'required' }, () => ({ contents: "module.exports = require('node:http')" }));

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
