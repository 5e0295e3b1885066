import { execFile } from 'node:child_process';
import { createHash, randomUUID } from 'node:crypto';
import { access, constants, mkdir, readdir, readFile, rename, rm } from 'node:fs/promises';
import { homedir } from 'node:os';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';
import { type Amendment, amendedModule } from './amended-module.ts';
import { startGuarded } from './guarded-process.ts';
import { withLock } from './lock.ts';
import { markUsed } from './prune-cache.ts';
import { tempDir } from './temp-dir.ts';

const run = promisify(execFile);
const tools = join(import.meta.dirname, 'tools');
const deployDir = join(import.meta.dirname, '../../deploy');

/** Must follow `k8s.io/kubernetes` in the go.mod of tools/kubernetes, tools/node and tools/kubectl: the servers do not know their own version unless the linker stamps it. */
const kubernetesVersion = 'v1.37.2';
const [kubernetesMajor, kubernetesMinor] = kubernetesVersion.slice(1).split('.');
const stamps = { gitVersion: kubernetesVersion, gitMajor: kubernetesMajor, gitMinor: kubernetesMinor, gitTreeState: 'clean' };
const kubernetesStamps = Object.entries(stamps).map(([name, value]) => `-X k8s.io/component-base/version.${name}=${value}`);

interface Program {
  /** The folder whose go.mod pins it, seen from tools/; Go files in it are its own source. */
  readonly module: string;
  readonly main: string;
  readonly linkerFlags?: readonly string[];
  readonly amendment?: Amendment;
  /** What `--version` of an installed program must contain for it to be used instead of a build. */
  readonly accept?: RegExp;
}

const programs = {
  etcd: { module: 'etcd', main: 'go.etcd.io/etcd/server/v3', accept: /etcd Version: 3\.6\./ },
  'kube-apiserver': {
    module: 'kubernetes',
    main: 'k8s.io/kubernetes/cmd/kube-apiserver',
    linkerFlags: kubernetesStamps,
    accept: /Kubernetes v1\.37\./,
  },
  'kube-controller-manager': {
    module: 'kubernetes',
    main: 'k8s.io/kubernetes/cmd/kube-controller-manager',
    linkerFlags: kubernetesStamps,
    accept: /Kubernetes v1\.37\./,
  },
  kubectl: { module: 'kubectl', main: 'k8s.io/kubernetes/cmd/kubectl', linkerFlags: kubernetesStamps },
  kubelet: { module: 'node', main: 'k8s.io/kubernetes/cmd/kubelet', linkerFlags: kubernetesStamps },
  'kube-scheduler': { module: 'node', main: 'k8s.io/kubernetes/cmd/kube-scheduler', linkerFlags: kubernetesStamps },
  'kube-proxy': { module: 'node', main: 'k8s.io/kubernetes/cmd/kube-proxy', linkerFlags: kubernetesStamps },
  'snapshot-controller': { module: 'csi', main: 'github.com/kubernetes-csi/external-snapshotter/v8/cmd/snapshot-controller' },
  'csi-snapshotter': { module: 'csi', main: 'github.com/kubernetes-csi/external-snapshotter/v8/cmd/csi-snapshotter' },
  'csi-provisioner': { module: 'csi', main: 'github.com/kubernetes-csi/external-provisioner/v6/cmd/csi-provisioner' },
  'csi-driver': { module: '../csi-driver', main: '.' },
  'csi-sanity': { module: 'csi-sanity', main: 'github.com/kubernetes-csi/csi-test/v5/cmd/csi-sanity' },
  'workflow-controller': { module: 'argo', main: 'github.com/argoproj/argo-workflows/v3/cmd/workflow-controller' },
  minio: { module: 'minio', main: 'github.com/minio/minio' },
  versitygw: { module: 'versitygw', main: 'github.com/versity/versitygw/cmd/versitygw' },
  restic: { module: 'restic', main: 'github.com/restic/restic/cmd/restic' },
  // That of the image, as deploy/Dockerfile builds it.
  'mover-restic': {
    module: 'restic',
    main: 'github.com/restic/restic/cmd/restic',
    amendment: {
      module: 'github.com/restic/restic',
      file: join(deployDir, 'restic', 'key_parameters.go'),
      folder: 'internal/repository',
    },
  },
  age: { module: 'age', main: 'filippo.io/age/cmd/age' },
  'age-keygen': { module: 'age', main: 'filippo.io/age/cmd/age-keygen' },
  kopia: { module: 'kopia', main: 'github.com/kopia/kopia' },
  velero: { module: 'velero', main: 'github.com/vmware-tanzu/velero/cmd/velero' },
  'velero-plugin-for-aws': { module: 'velero', main: 'github.com/vmware-tanzu/velero-plugin-for-aws/velero-plugin-for-aws' },
} as const satisfies Record<string, Program>;

export type BinaryName = keyof typeof programs;
export type Progress = (line: string) => void;

export const binaryNames = Object.keys(programs) as readonly BinaryName[];

/** Where builds are kept, outside the tree: HOLDFAST_CACHE, else the user's cache directory. */
export function cacheDir(): string {
  return process.env.HOLDFAST_CACHE || join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'holdfast');
}

/**
 * Path of a program: an installed one (KUBEBUILDER_ASSETS, PATH) where its version fits, else one built from the pinned Go module and
 * kept in the cache. Throws when Go is missing or the build fails.
 */
export async function binary(name: BinaryName, onProgress?: Progress): Promise<string> {
  const program: Program = programs[name];
  const installed = await installedProgram(name, program.accept);
  if (installed) return installed;
  const flags = ['-trimpath', '-buildvcs=false', '-ldflags', ['-s', '-w', ...(program.linkerFlags ?? [])].join(' ')];
  const target = join(cacheDir(), 'bin', `${name}-${await cacheKey(program, flags)}`);
  if ((await markUsed(target)) && (await isExecutable(target))) return target;
  await mkdir(join(cacheDir(), 'bin'), { recursive: true });
  await withLock(
    `${target}.lock`,
    async () => {
      if (!(await isExecutable(target))) await build(name, program, flags, target, onProgress);
    },
    () => onProgress?.(`${name}: another process is building it, waiting`),
  );
  return target;
}

async function installedProgram(name: string, accept: RegExp | undefined): Promise<string | undefined> {
  if (!accept) return undefined;
  const folders = [process.env.KUBEBUILDER_ASSETS, ...(process.env.PATH ?? '').split(delimiter)];
  for (const folder of folders) {
    if (!folder || !(await isExecutable(join(folder, name)))) continue;
    const version = await run(join(folder, name), ['--version'], { timeout: 60_000 }).catch(() => undefined);
    if (version && accept.test(version.stdout)) return join(folder, name);
  }
  return undefined;
}

async function cacheKey(program: Program, flags: readonly string[]): Promise<string> {
  const hash = createHash('sha256');
  const folder = join(tools, program.module);
  const sources = (await readdir(folder)).filter(file => file.endsWith('.go')).sort();
  for (const file of ['go.mod', 'go.sum', ...sources]) hash.update(await readFile(join(folder, file)));
  if (program.amendment) hash.update(await readFile(program.amendment.file));
  return hash
    .update(JSON.stringify([program.main, flags, await goVersion()]))
    .digest('hex')
    .slice(0, 12);
}

/** Runs the Go command in one of the folders of tools/, with the versions that are written there and no others. */
export function goEnvironment(): Record<string, string> {
  return { GOFLAGS: '-mod=readonly', CGO_ENABLED: '0', GOWORK: 'off' };
}

async function goVersion(): Promise<string> {
  try {
    return (await run('go', ['version'], { cwd: tools, timeout: 120_000 })).stdout.trim();
  } catch (thrown) {
    const missing = (thrown as NodeJS.ErrnoException).code === 'ENOENT';
    const why = missing ? 'the go command is not in PATH: install Go 1.26 or newer (https://go.dev/doc/install)' : String(thrown);
    throw new Error(`cannot build the servers that the tests run on: ${why}`, { cause: thrown });
  }
}

async function build(name: BinaryName, program: Program, flags: readonly string[], target: string, onProgress?: Progress): Promise<void> {
  const started = Date.now();
  const seconds = () => Math.round((Date.now() - started) / 1000);
  const temporary = `${target}.${randomUUID()}`;
  const work = await tempDir('go');
  onProgress?.(`${name}: building ${program.main}`);
  const beat = setInterval(() => onProgress?.(`${name}: still building, ${seconds()} s`), 30_000);
  try {
    const pins = join(tools, program.module);
    const environment = { ...process.env, ...goEnvironment() };
    const go = await startGuarded({
      name: `go build ${name}`,
      command: 'go',
      args: ['build', ...flags, '-o', temporary, program.main],
      cwd: program.amendment ? await amendedModule(pins, program.amendment, work, environment) : pins,
      env: goEnvironment(),
      logFile: `${temporary}.log`,
    });
    const code = await go.exited;
    if (code !== 0) throw new Error(`building ${name} (${program.main}) failed with exit code ${code}:\n${await go.logTail(30)}`);
    await rename(temporary, target);
    onProgress?.(`${name}: built in ${seconds()} s`);
  } finally {
    clearInterval(beat);
    await rm(`${temporary}.log`, { force: true });
    await rm(temporary, { force: true });
    await rm(work, { recursive: true, force: true });
  }
}

async function isExecutable(path: string): Promise<boolean> {
  return access(path, constants.X_OK).then(
    () => true,
    () => false,
  );
}
