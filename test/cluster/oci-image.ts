import { createHash, randomUUID } from 'node:crypto';
import { createReadStream, createWriteStream } from 'node:fs';
import { mkdir, rename, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { type Readable, Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGzip } from 'node:zlib';
import { type Header, type Pack, pack } from 'tar-stream';

/** One thing in a layer, at an absolute path. Owner root unless said otherwise; folders above it need not be named. */
export type ImageEntry = (
  | { readonly kind: 'file'; readonly source: string; readonly mode?: number }
  | { readonly kind: 'text'; readonly text: string; readonly mode?: number }
  | { readonly kind: 'link'; readonly target: string }
  | { readonly kind: 'folder'; readonly mode?: number }
) & { readonly path: string; readonly uid?: number; readonly gid?: number };

/** What an image is made of: nothing comes from a registry, and the same files make the same bytes. */
export interface ImageSpec {
  /** With registry and tag: `localhost/tools:1`. */
  readonly reference: string;
  /** From the bottom up; what changes seldom comes first. */
  readonly layers: readonly (readonly ImageEntry[])[];
  readonly entrypoint?: readonly string[];
  readonly command?: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
  /** `uid` or `uid:gid` */
  readonly user?: string;
  readonly workingDir?: string;
  readonly labels?: Readonly<Record<string, string>>;
}

export interface WrittenImage {
  readonly reference: string;
  /** `sha256:…` of the image's manifest. */
  readonly digest: string;
  /** Of all layers, compressed. */
  readonly bytes: number;
}

interface Blob {
  readonly digest: string;
  readonly size: number;
}

interface Layer extends Blob {
  readonly file: string;
  /** Digest before compression. */
  readonly diffId: string;
}

const mediaTypes = {
  layer: 'application/vnd.oci.image.layer.v1.tar+gzip',
  config: 'application/vnd.oci.image.config.v1+json',
  manifest: 'application/vnd.oci.image.manifest.v1+json',
};
const architectures: Readonly<Record<string, string>> = { x64: 'amd64', arm64: 'arm64' };
const epoch = new Date(0);

/** Writes the image as a tar of an OCI layout, as `ctr images import` and `skopeo` take it. `file` appears when it is complete. */
export async function writeImage(spec: ImageSpec, file: string): Promise<WrittenImage> {
  const work = `${file}.${randomUUID()}`;
  await mkdir(work, { recursive: true });
  try {
    const layers: Layer[] = [];
    for (const [index, entries] of spec.layers.entries()) layers.push(await writeLayer(entries, join(work, `layer-${index}`)));
    const config = json(imageConfig(spec, layers));
    const manifest = json(imageManifest(describe(config), layers));
    await writeLayout(spec.reference, config, manifest, layers, join(work, 'image'));
    await rename(join(work, 'image'), file);
    return { reference: spec.reference, digest: describe(manifest).digest, bytes: layers.reduce((sum, layer) => sum + layer.size, 0) };
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

function imageConfig(spec: ImageSpec, layers: readonly Layer[]) {
  return {
    created: epoch.toISOString(),
    architecture: architectures[process.arch] ?? process.arch,
    os: 'linux',
    config: {
      Entrypoint: spec.entrypoint,
      Cmd: spec.command,
      Env: Object.entries(spec.environment ?? {}).map(([name, value]) => `${name}=${value}`),
      User: spec.user,
      WorkingDir: spec.workingDir ?? '/',
      Labels: spec.labels,
    },
    rootfs: { type: 'layers', diff_ids: layers.map(layer => layer.diffId) },
    history: layers.map(() => ({ created: epoch.toISOString() })),
  };
}

function imageManifest(config: Blob, layers: readonly Layer[]) {
  return {
    schemaVersion: 2,
    mediaType: mediaTypes.manifest,
    config: { mediaType: mediaTypes.config, ...config },
    layers: layers.map(({ digest, size }) => ({ mediaType: mediaTypes.layer, digest, size })),
  };
}

async function writeLayout(reference: string, config: Buffer, manifest: Buffer, layers: readonly Layer[], file: string): Promise<void> {
  const names = { 'io.containerd.image.name': reference, 'org.opencontainers.image.ref.name': reference.split(':').at(-1) };
  const index = { schemaVersion: 2, manifests: [{ mediaType: mediaTypes.manifest, ...describe(manifest), annotations: names }] };
  const archive = pack();
  const written = pipeline(archive, createWriteStream(file));
  const add = (name: string, content: Buffer) => addEntry(archive, { name, size: content.length }, content);
  const fill = async () => {
    await add('oci-layout', json({ imageLayoutVersion: '1.0.0' }));
    await add('index.json', json(index));
    for (const blob of [config, manifest]) await add(blobName(describe(blob)), blob);
    for (const layer of layers) await addEntry(archive, { name: blobName(layer), size: layer.size }, createReadStream(layer.file));
    archive.finalize();
  };
  await Promise.all([written, endingWith(archive, fill())]);
}

/** What cannot be added ends the writing, too. */
async function endingWith(archive: Pack, filled: Promise<void>): Promise<void> {
  try {
    await filled;
  } catch (thrown) {
    archive.destroy(thrown as Error);
    throw thrown;
  }
}

function blobName({ digest }: Blob): string {
  return `blobs/sha256/${digest.slice('sha256:'.length)}`;
}

async function writeLayer(entries: readonly ImageEntry[], file: string): Promise<Layer> {
  const archive = pack();
  const plain = measure();
  const compressed = measure();
  const written = pipeline(archive, plain.stream, createGzip(), compressed.stream, createWriteStream(file));
  const fill = async () => {
    for (const entry of withFolders(entries)) await addImageEntry(archive, entry);
    archive.finalize();
  };
  await Promise.all([written, endingWith(archive, fill())]);
  return { file, diffId: plain.result().digest, ...compressed.result() };
}

/** In the order of the paths, each folder before what is in it. */
function withFolders(entries: readonly ImageEntry[]): readonly ImageEntry[] {
  const all = new Map<string, ImageEntry>();
  for (const { path } of entries) {
    for (let above = dirname(path); above !== '/'; above = dirname(above)) all.set(above, { kind: 'folder', path: above });
  }
  for (const entry of entries) all.set(entry.path, entry);
  return [...all.values()].sort((a, b) => (a.path < b.path ? -1 : 1));
}

async function addImageEntry(archive: Pack, entry: ImageEntry): Promise<void> {
  const header = { name: entry.path.slice(1), uid: entry.uid ?? 0, gid: entry.gid ?? 0 };
  switch (entry.kind) {
    case 'folder':
      return addEntry(archive, { ...header, name: `${header.name}/`, type: 'directory', mode: entry.mode ?? 0o755 });
    case 'link':
      return addEntry(archive, { ...header, type: 'symlink', linkname: entry.target, mode: 0o777 });
    case 'text': {
      const content = Buffer.from(entry.text);
      return addEntry(archive, { ...header, size: content.length, mode: entry.mode ?? 0o644 }, content);
    }
    case 'file': {
      const { size, mode } = await stat(entry.source);
      return addEntry(archive, { ...header, size, mode: entry.mode ?? mode & 0o777 }, createReadStream(entry.source));
    }
  }
}

async function addEntry(
  archive: Pack,
  header: Partial<Header> & { readonly name: string },
  content: Readable | Buffer = Buffer.alloc(0),
): Promise<void> {
  const complete = { mode: 0o644, mtime: epoch, ...header };
  if (!Buffer.isBuffer(content)) return pipeline(content, archive.entry(complete));
  return new Promise((resolve, reject) => {
    archive.entry(complete, content, error => (error ? reject(error) : resolve()));
  });
}

function json(value: unknown): Buffer {
  return Buffer.from(JSON.stringify(value));
}

function describe(content: Buffer): Blob {
  return { digest: `sha256:${createHash('sha256').update(content).digest('hex')}`, size: content.length };
}

function measure(): { readonly stream: Transform; result(): Blob } {
  const hash = createHash('sha256');
  let size = 0;
  const stream = new Transform({
    transform(chunk: Buffer, _, done) {
      hash.update(chunk);
      size += chunk.length;
      done(null, chunk);
    },
  });
  return { stream, result: () => ({ digest: `sha256:${hash.digest('hex')}`, size }) };
}
