import { readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { build, type Metafile } from 'esbuild';
import { keepPackages } from './kept-packages.ts';
import { leaner } from './leaner.ts';

const projectDir = resolve(import.meta.dirname, '..');
/** They read files that lie beside them, so they stay packages. */
const keptPackages = ['@fastify/swagger-ui'];
const licenceName = /^(licen[cs]e|notice)([.-].*)?$/i;

/**
 * Writes the whole program into `outdir`, in place of what is there: `main.js`, the two files that are started by their names, parts that are
 * loaded when they are wanted, the few packages that stay packages, and the licences of all that went in. It needs nothing but Node.js.
 * Why so: docs/adr/0007-one-bundle.md.
 */
export async function bundle(outdir: string): Promise<void> {
  await rm(outdir, { recursive: true, force: true });
  const { metafile } = await build({
    absWorkingDir: projectDir,
    entryPoints: {
      main: 'src/main.ts',
      'archive-worker': 'src/backup/archive-worker.ts',
      'device-reader': 'src/mover/device-reader.ts',
    },
    outdir,
    bundle: true,
    splitting: true,
    metafile: true,
    format: 'esm',
    platform: 'node',
    target: 'node24',
    mainFields: ['module', 'main'],
    // Names stay: they are what a stack trace is read by.
    minifyWhitespace: true,
    minifySyntax: true,
    legalComments: 'none',
    // With it undici leaves out its second parser of HTTP, which nobody tells it to use.
    define: { esbuildDetection: 'true' },
    external: keptPackages,
    plugins: [leaner],
    logLevel: 'warning',
    // Packages of the older kind ask for Node's own modules by `require`.
    banner: { js: "import{createRequire as requireOf}from'node:module';const require=requireOf(import.meta.url);" },
  });
  checkLazyImports(metafile);
  await writeFile(join(outdir, 'LICENSES.txt'), await licences(metafile));
  await keepPackages(projectDir, keptPackages, outdir);
}

/** What `await import()` gives of a module of the older kind has none of its names in a bundle, which would show when it is wanted only. */
function checkLazyImports({ inputs }: Metafile): void {
  for (const [file, { imports }] of Object.entries(inputs))
    for (const { kind, path, external } of imports)
      if (kind === 'dynamic-import' && external !== true && inputs[path]?.format !== 'esm')
        throw new Error(
          `${file} imports ${path} when it is wanted, which is no ES module: import it in a file of its own, and that one lazily`,
        );
}

/** The texts of the licences, as most of them ask for where copies are given on. */
async function licences({ inputs }: Metafile): Promise<string> {
  const packages = new Set(Object.keys(inputs).flatMap(input => /^(?:.*\/)?node_modules\/(?:@[^/]+\/)?[^/]+/.exec(input) ?? []));
  const texts = await Promise.all(Array.from(packages).sort().map(licenceOf));
  return texts.join(`\n${'-'.repeat(80)}\n`);
}

async function licenceOf(folder: string): Promise<string> {
  const dir = join(projectDir, folder);
  const { name, version, license } = JSON.parse(await readFile(join(dir, 'package.json'), 'utf8')) as Record<string, string>;
  const files = (await readdir(dir)).filter(file => licenceName.test(file)).sort();
  const texts = await Promise.all(files.map(file => readFile(join(dir, file), 'utf8')));
  return [`${name} ${version}: ${license}\n`, ...texts].join('\n');
}

if (import.meta.main) await bundle(resolve(process.argv[2] ?? join(projectDir, 'dist')));
