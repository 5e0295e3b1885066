import { execFile } from 'node:child_process';
import { realpath } from 'node:fs/promises';
import { promisify } from 'node:util';
import type { ImageEntry, ImageSpec } from './oci-image.ts';

const run = promisify(execFile);

/** Statically linked, from Debian's busybox-static. */
export const busybox = '/bin/busybox';

/** What holds a pod's namespaces open. */
export const pauseImage: ImageSpec = {
  reference: 'localhost/pause:1',
  layers: [[{ kind: 'file', path: '/busybox', source: busybox, mode: 0o755 }]],
  entrypoint: ['/busybox', 'tail', '-f', '/dev/null'],
};

/** A shell and the usual small programs, for pods that write, read and compare: `localhost/tools:1`. */
export async function toolsImage(): Promise<ImageSpec> {
  const { stdout } = await run(busybox, ['--list']);
  const names = stdout
    .trim()
    .split('\n')
    .filter(name => name !== 'busybox');
  const links = names.map((name): ImageEntry => ({ kind: 'link', path: `/bin/${name}`, target: 'busybox' }));
  return {
    reference: 'localhost/tools:1',
    layers: [
      [
        { kind: 'file', path: '/bin/busybox', source: busybox, mode: 0o755 },
        ...links,
        { kind: 'folder', path: '/tmp', mode: 0o1777 },
        { kind: 'text', path: '/etc/passwd', text: 'root:x:0:0::/:/bin/sh\nagent:x:1000:1000::/tmp:/bin/sh\n' },
        { kind: 'text', path: '/etc/group', text: 'root:x:0:\nagent:x:1000:\n' },
      ],
    ],
    environment: { PATH: '/bin' },
    command: ['sh'],
  };
}

/** A program at `path` in an image, with the loader and the shared libraries that it has on this machine; a static one comes alone. */
export async function programEntries(source: string, path: string): Promise<readonly ImageEntry[]> {
  const real = await realpath(source);
  const libraries = await sharedLibraries(real);
  const entries = libraries.map(async (library): Promise<ImageEntry> => {
    return { kind: 'file', path: library, source: await realpath(library), mode: 0o755 };
  });
  return [{ kind: 'file', path, source: real, mode: 0o755 }, ...(await Promise.all(entries))];
}

/** By the paths that the loader looks at, as `ldd` tells them. */
async function sharedLibraries(program: string): Promise<readonly string[]> {
  const { stdout } = await run('ldd', [program]).catch((thrown: { stdout?: string; stderr?: string }) => {
    if (/not a dynamic executable/.test(`${thrown.stdout}${thrown.stderr}`)) return { stdout: '' };
    throw thrown;
  });
  const missing = /^\s*(\S+) => not found/m.exec(stdout);
  if (missing) throw new Error(`${program}: the library ${missing[1]} is not on this machine`);
  return [...stdout.matchAll(/(?:=> |^\s*)(\/\S+) \(0x/gm)].map(match => match[1] as string);
}
