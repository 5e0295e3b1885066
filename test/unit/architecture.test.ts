import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';

/** All that the composition root may put together. */
const rooms = [
  ...['domain', 'config', 'crypto', 'storage', 'cluster', 'repository', 'volumes', 'mover', 'backup', 'restore', 'validate'],
  ...['schedule', 'operations', 'observe', 'api', 'service'],
];

/** Each folder of `src/` and what its files may import besides their own folder. A trailing `.ts` names a single file. */
const mayImport: Readonly<Record<string, readonly string[]>> = {
  domain: [],
  config: ['domain', '../package.json'],
  cluster: ['domain'],
  storage: ['domain', 'crypto'],
  crypto: ['domain'],
  repository: ['domain', 'crypto', 'storage/object-store.ts'],
  // What backups and restores of volumes share; the program in a mover's pod knows nothing but its request.
  volumes: [
    'domain',
    'crypto',
    'repository',
    'storage/object-store.ts',
    'cluster/cluster-api.ts',
    'cluster/pod-api.ts',
    'cluster/lease.ts',
  ],
  mover: ['domain'],
  // What restores and validations remember of a cluster.
  live: ['domain', 'cluster/cluster-api.ts'],
  backup: [
    ...['domain', 'crypto', 'repository', 'volumes', 'storage/object-store.ts'],
    ...['cluster/cluster-api.ts', 'cluster/pod-api.ts', 'cluster/lease.ts'],
  ],
  restore: ['domain', 'crypto', 'repository', 'live', 'volumes', 'storage/object-store.ts', 'cluster/cluster-api.ts', 'cluster/pod-api.ts'],
  validate: ['domain', 'crypto', 'repository', 'live', 'storage/object-store.ts', 'cluster/cluster-api.ts'],
  schedule: ['domain', 'crypto', 'repository', 'storage/object-store.ts', 'cluster/cluster-api.ts', 'cluster/lease.ts'],
  operations: ['domain', 'crypto', 'repository', 'storage/object-store.ts'],
  observe: ['domain', 'schedule', 'repository', 'cluster/cluster-api.ts'],
  api: ['domain', 'crypto', 'repository', 'schedule', 'operations', 'validate', 'cluster/cluster-api.ts'],
  client: ['domain', 'api'],
  // The use cases put together; of the API it knows the port that it fills.
  service: [
    ...['domain', 'crypto', 'repository', 'volumes', 'backup', 'restore', 'validate', 'schedule', 'operations', 'observe/metrics.ts'],
    ...['storage/object-store.ts', 'cluster/cluster-api.ts', 'cluster/pod-api.ts', 'api/service.ts', 'api/identity.ts'],
  ],
  // Adapters are out of reach: a command gets them from the app. Of the use cases it takes the shapes of results, and pure functions on them.
  cli: [
    'domain',
    'config',
    'crypto',
    'repository',
    'validate',
    'schedule/cron.ts',
    'schedule/delete-by-hand.ts',
    'schedule/deletion-plan.ts',
    'schedule/retention.ts',
    'schedule/retention-run.ts',
    'app.ts',
    'app/serve.ts',
    'app/locations.ts',
    'app/remote.ts',
    'mover/run.ts',
  ],
  'app.ts': [
    'app',
    'domain',
    'config',
    'crypto',
    'storage',
    'cluster',
    'repository',
    'volumes',
    'backup',
    'restore',
    'validate',
    'schedule',
  ],
  app: ['app.ts', 'client', ...rooms],
  'main.ts': ['cli', 'config'],
};

/** What stands for a server of another program. */
const ports = ['storage/object-store.ts', 'cluster/cluster-api.ts', 'cluster/pod-api.ts', 'cluster/lease.ts'];

/** The only folder that may look at the environment. */
const readsEnvironment = 'config';
const mostLines = 300;

interface Source {
  /** Below `src/`: `backup/run.ts`. */
  readonly path: string;
  readonly text: string;
  readonly isTest: boolean;
}

const src = resolve(import.meta.dirname, '../../src');

const sources: readonly Source[] = readdirSync(src, { recursive: true, encoding: 'utf8' })
  .filter(path => path.endsWith('.ts'))
  .sort()
  .map(path => ({ path, text: readFileSync(join(src, path), 'utf8'), isTest: path.endsWith('.test.ts') }));
const production = sources.filter(source => !source.isTest);

/** The folder that rules apply to; a file directly in `src/` stands for itself. */
function room(path: string): string {
  return path.includes('/') ? path.slice(0, path.indexOf('/')) : path;
}

interface Import {
  readonly specifier: string;
  /** `import type`, which leaves nothing behind when the program runs. */
  readonly typeOnly: boolean;
}

/** Static, dynamic and type imports, and re-exports. */
function importsOf(text: string): Import[] {
  const statements = text.matchAll(/^\s*(import|export)\s+(type\s+)?(?:[^'";]*?\sfrom\s+)?['"]([^'"]+)['"]/gm);
  const calls = text.matchAll(/(typeof\s+)?\bimport\(\s*['"]([^'"]+)['"]\s*\)/g);
  return [
    ...Array.from(statements, match => ({ specifier: match[3]!, typeOnly: match[2] !== undefined })),
    ...Array.from(calls, match => ({ specifier: match[2]!, typeOnly: match[1] !== undefined })),
  ];
}

/** Imports of our own files, as paths below `src/`. */
function ownImports({ path, text }: Source): (Import & { readonly target: string })[] {
  return importsOf(text)
    .filter(({ specifier }) => specifier.startsWith('.'))
    .map(found => ({ ...found, target: relative(src, resolve(src, dirname(path), found.specifier)) }));
}

function allowed(from: string, target: string): boolean {
  const own = room(from);
  return room(target) === own || (mayImport[own] ?? []).some(entry => entry === target || entry === room(target));
}

/** The last column of the page's table, as the rooms that it names: a file in one stands for its room. */
function readable(cell: string): string {
  const plain = cell.trim();
  if (plain === 'everything') return plain;
  const names = new Set(Array.from(plain.matchAll(/`([^`]+)`/g), ([, name = '']) => room(name).replace(/\.ts$/, '')));
  return [...[...names].sort(), ...(/\bports\b/.test(plain) ? ['ports'] : [])].join(', ');
}

function lineCount(text: string): number {
  return text.replace(/\n$/, '').split('\n').length;
}

describe('dependency arrows', () => {
  it('sees all kinds of import', () => {
    const text = [
      "import { a } from './a.ts';",
      "import type { B } from '../b.ts';",
      "import './c.ts';",
      "export { d } from './d.ts';",
      'import {\n  e,\n  type F,\n} from "./e.ts";',
      "const g = await import('./g.ts');",
      "type H = typeof import('./h.ts');",
    ].join('\n');
    expect(importsOf(text).map(({ specifier, typeOnly }) => `${specifier}${typeOnly ? ' type' : ''}`)).toEqual([
      './a.ts',
      '../b.ts type',
      './c.ts',
      './d.ts',
      './e.ts',
      './g.ts',
      './h.ts type',
    ]);
  });

  it('knows every folder of src', () => {
    expect([...new Set(production.map(source => room(source.path)))].filter(name => mayImport[name] === undefined)).toEqual([]);
  });

  it('go only where they may', () => {
    const wrong = production.flatMap(source =>
      ownImports(source)
        .filter(({ target }) => !allowed(source.path, target))
        .map(({ target }) => `${source.path} → ${target}`),
    );
    expect(wrong).toEqual([]);
  });

  it('are those that ARCHITECTURE.md shows', () => {
    const page = readFileSync(resolve(src, '../ARCHITECTURE.md'), 'utf8');
    const shown = new Map<string, string>();
    for (const [, folders = '', imports = ''] of page.matchAll(/^\| (`src\/[^|]*) \|[^|]*\| ([^|]*) \|$/gm)) {
      for (const [, name = ''] of folders.matchAll(/`src\/([^`]+?)\/?`/g)) shown.set(name, readable(imports));
    }
    const held = Object.entries(mayImport).map(([name, entries]): [string, string] => {
      const others = entries.filter(entry => !ports.includes(entry) && !entry.startsWith('../'));
      const names = new Set(others.map(entry => room(entry).replace(/\.ts$/, '')));
      return [name, [...[...names].sort(), ...(entries.some(entry => ports.includes(entry)) ? ['ports'] : [])].join(', ')];
    });
    const root = ['app', 'app.ts'];
    expect(root.map(name => shown.get(name))).toEqual(['everything', 'everything']);
    expect(Object.fromEntries([...shown].filter(([name]) => !root.includes(name)))).toEqual(
      Object.fromEntries(held.filter(([name]) => !root.includes(name))),
    );
  });

  it('let only the composition root build adapters', () => {
    const wrong = production
      .filter(source => room(source.path) !== 'app' && source.path !== 'app.ts')
      .flatMap(source =>
        ownImports(source)
          .filter(
            ({ target }) => ['storage', 'cluster'].includes(room(target)) && room(target) !== room(source.path) && !ports.includes(target),
          )
          .map(({ target }) => `${source.path} → ${target}`),
      );
    expect(wrong).toEqual([]);
  });

  it('leave domain free of input and output', () => {
    const pure = ['node:crypto', 'node:util', 'node:buffer'];
    const wrong = production
      .filter(source => room(source.path) === 'domain')
      .flatMap(({ path, text }) => importsOf(text).map(({ specifier }) => ({ path, specifier })))
      .filter(({ specifier }) => !specifier.startsWith('.') && !pure.includes(specifier));
    expect(wrong).toEqual([]);
  });

  it('make commands load the app, use cases and big libraries only when they run', () => {
    const heavy = [
      ...['zod', 'yaml', 'undici', '@kubernetes/client-node', '@aws-sdk/client-s3', '@aws-sdk/client-sts', 'age-encryption', 'tar-stream'],
    ];
    const seen = new Set<string>();
    const visit = (path: string): string[] => {
      if (seen.has(path)) return [];
      seen.add(path);
      const source = production.find(candidate => candidate.path === path);
      const text = (source?.text ?? '').replace(/\bimport\([^)]*\)/g, '');
      const eager = importsOf(text).filter(({ typeOnly }) => !typeOnly);
      const own = ownImports({ path, text, isTest: false }).filter(({ typeOnly }) => !typeOnly);
      return [
        ...eager.filter(({ specifier }) => heavy.includes(specifier)).map(({ specifier }) => `${path} → ${specifier}`),
        ...own.flatMap(({ target }) => visit(target)),
      ];
    };
    expect([...visit('main.ts'), ...visit('cli/run.ts')]).toEqual([]);
    expect([...seen].filter(path => !['main.ts', 'cli', 'config', 'domain'].includes(room(path)))).toEqual([]);
  });
});

describe('house rules', () => {
  it('nothing outside config reads the environment', () => {
    const wrong = production.filter(
      source => room(source.path) !== readsEnvironment && /\bprocess\.env\b|\bprocess\[['"]env/.test(source.text),
    );
    expect(wrong.map(source => source.path)).toEqual([]);
  });

  it(`no file is longer than ${mostLines} lines`, () => {
    expect(sources.map(({ path, text }) => ({ path, lines: lineCount(text) })).filter(({ lines }) => lines > mostLines)).toEqual([]);
  });

  it('there are no default exports, enums, namespaces, nor files that only re-export', () => {
    const wrong = production.filter(({ text }) =>
      /^export default\b|^(export )?(declare )?(const )?enum\b|^(export )?namespace\b|^export \* from/m.test(text),
    );
    expect(wrong.map(source => source.path)).toEqual([]);
  });

  it('files have kebab-case names', () => {
    const wrong = sources.filter(({ path }) => !/^([a-z0-9]+(-[a-z0-9]+)*\/)*[a-z0-9]+(-[a-z0-9]+)*(\.test)?\.ts$/.test(path));
    expect(wrong.map(source => source.path)).toEqual([]);
  });

  it('only the process entry ends the process', () => {
    const wrong = production.filter(({ path, text }) => path !== 'main.ts' && /\bprocess\.exit\(/.test(text));
    expect(wrong.map(source => source.path)).toEqual([]);
  });
});
