import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
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

const undiciNames = ['Agent', 'ProxyAgent', 'Socks5ProxyAgent', 'request'];
/** The one file that opens WebSockets, loaded when one is. */
const webSocketFile = join('src', 'cluster', 'web-socket.ts');

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

    // undici speaks HTTP here: its index loads fetch, caches and fakes for tests besides. Packages that ask for it get all of it.
    const undici = dirname(createRequire(import.meta.url).resolve('undici'));
    build.onResolve({ filter: /^undici$/ }, ({ importer, path }) => {
      if (importer.includes('node_modules')) return undefined;
      if (importer.endsWith(webSocketFile)) return { path: join(undici, 'lib', 'web', 'websocket', 'websocket.js') };
      return { path, namespace: 'undici-names' };
    });
    build.onLoad({ filter: /.*/, namespace: 'undici-names' }, () => ({
      contents: `import undici from './index'; export const { ${undiciNames.join(', ')} } = undici`,
    }));
    build.onResolve({ filter: /.*/, namespace: 'undici-names' }, ({ path }) => ({ path, namespace: 'undici-index' }));
    build.onLoad({ filter: /.*/, namespace: 'undici-index' }, async () => ({
      contents: await readFile(join(undici, 'index.js')),
      resolveDir: undici,
    }));
    const besides = /^\.\/lib\/(cache|interceptor|mock|web)\//;
    build.onResolve({ filter: besides, namespace: 'undici-index' }, ({ path }) => ({ path, namespace: 'nothing' }));
    build.onLoad({ filter: /.*/, namespace: 'nothing' }, () => ({ contents: 'module.exports = new Proxy({}, { get: () => class {} })' }));

    // Problems are told in English.
    build.onLoad({ filter: /\/zod\/v4\/locales\/index\.js$/ }, ({ path }) => ({
      contents: "export { default as en } from './en.js'",
      resolveDir: dirname(path),
    }));
  },
};
