import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { styleText } from 'node:util';
import { type ClusterWithNode, startArgo, startCluster, startClusterWithNode, type TestCluster } from '../cluster/cluster.ts';
import { makeGuardedDir } from '../cluster/guarded-dir.ts';
import { holdfastImage } from '../cluster/holdfast-image.ts';
import { nodeSupport } from '../cluster/node-support.ts';
import { applyPlatform } from '../fixtures/platform/apply.ts';
import { startCodeRunController } from '../fixtures/platform/coderun-controller.ts';
import { type LiveWorkflows, startLiveWorkflows, traceWorkflow, type WorkflowTrace } from '../fixtures/platform/workflows-live.ts';
import { answers, countObjects } from './look.ts';
import { type Ran, holdfast as run } from './run.ts';
import { prepareServers } from './servers.ts';
import { lookAtWorkspace, type OffClusterStore, prepareMovers, startAgent, startOffClusterStore, type Workspace } from './volume.ts';

/** The main job in one go, on real servers: back up a platform, lose all of it, restore it on an empty cluster, prove that it works. */

const say = (text: string): void => console.log(text);
const note = (text: string): void => say(styleText('dim', `   ${text}`));
/** Once its servers are built. */
const mostSeconds = 120;
let step = 0;
const title = (text: string): void => say(`\n${styleText('bold', `${++step}. ${text}`)}`);

interface Demo {
  readonly work: string;
  /** Where the repository lies: asked for each time, since a store can move. */
  readonly location: () => string;
  /** Where a node can run: a store that its pods reach, and a volume. */
  store?: OffClusterStore;
  readonly identity: string;
  readonly signal: AbortSignal;
  /** Undone in reverse order, whatever happens. */
  readonly cleanUp: (() => Promise<void>)[];
}

interface Checks {
  readonly tests: number;
  readonly failures: number;
  readonly skipped: number;
}

interface Figures {
  readonly objects: number;
  readonly bytes: number;
  readonly volumes: readonly { readonly state: string; readonly data?: { readonly files: number; readonly bytes: number } }[];
}

interface Platform {
  readonly cluster: TestCluster;
  readonly live: LiveWorkflows;
  /** What an agent wrote to its volume; undefined where no node can run. */
  readonly workspace: Workspace | undefined;
  readonly stop: () => Promise<void>;
}

function holdfast(demo: Demo, args: readonly string[], options: { quiet?: boolean } = {}): Promise<Ran> {
  const common = args[0] === 'keys' ? [] : ['--location', demo.location(), '--keys-dir', join(demo.work, 'keys')];
  return run([...args, ...common], { signal: demo.signal, env: demo.store?.environment() ?? {}, ...options });
}

async function main(signal: AbortSignal): Promise<void> {
  const { path: work, remove } = await makeGuardedDir('holdfast-demo-');
  const configured = process.env['HOLDFAST_DEMO_LOCATION'];
  const fixed = ownPrefix(configured ?? `file://${join(work, 'repository')}`);
  const demo: Demo = {
    work,
    location: () => demo.store?.location() ?? fixed,
    identity: join(work, 'keys', 'operator.identity'),
    signal,
    cleanUp: [remove],
  };
  try {
    const support = configured === undefined ? await nodeSupport() : { supported: false, reason: 'the location is not of this machine' };
    await prepareServers(support.supported, note);
    const began = performance.now();
    const { cluster, live, workspace, stop } = await platform(demo, support);
    const backupSeconds = await backUp(demo, cluster);
    const figures = await measure(demo);
    await disaster(cluster, stop);
    const { target, seconds } = await restore(demo);
    const checks = await validate(demo, target, live);
    if (workspace !== undefined) await compareWorkspace(workspace, target as ClusterWithNode);
    const total = (performance.now() - began) / 1000;
    report({ ...figures, backupSeconds, restoreSeconds: seconds, checks, total });
  } finally {
    for (const undo of demo.cleanUp.reverse()) await undo().catch((error: Error) => say(`could not clean up: ${error.message}`));
  }
}

/** A folder of its own below the location, before a query if there is one: a repository is made once. */
function ownPrefix(location: string): string {
  const stamp = new Date().toISOString().replace(/[-:]|\.\d+/g, '');
  return location.replace(/\/*(\?|$)/, `/demo-${stamp}$1`);
}

async function platform(demo: Demo, support: { supported: boolean; reason?: string }): Promise<Platform> {
  title(`A cluster with an agent platform on it${support.supported ? ', and an agent with a volume' : ''}`);
  const argo = process.env['HOLDFAST_DEMO_ARGO'] === 'minimal' ? true : 'full';
  const options = { name: 'a', argo, signal: demo.signal, onProgress: note } as const;
  const withNode = support.supported ? await startClusterWithNode({ ...options, images: [holdfastImage] }) : undefined;
  const cluster = withNode ?? (await startCluster(options));
  demo.cleanUp.push(() => cluster.destroy());
  note(`a real kube-apiserver at ${cluster.server}, with etcd, kube-controller-manager and the Argo Workflows controller`);
  if (withNode === undefined) note(`without a node, and so without volumes: ${support.reason}`);
  else note('a real node: containerd, kubelet, and a CSI driver that takes snapshots');
  const codeRuns = await startCodeRunController(cluster);
  demo.cleanUp.push(() => codeRuns.stop());
  await applyPlatform(cluster);
  const live = await startLiveWorkflows(cluster, { signal: demo.signal });
  const workspace = withNode === undefined ? undefined : await volume(demo, withNode);
  note(`${await countObjects(cluster)} objects on it`);
  tell(live.finished, await traceWorkflow(cluster, live.finished));
  tell(live.halfDone, await traceWorkflow(cluster, live.halfDone));
  if (workspace !== undefined) tellWorkspace(workspace);
  return { cluster, live, workspace, stop: () => codeRuns.stop() };
}

async function volume(demo: Demo, cluster: ClusterWithNode): Promise<Workspace> {
  const store = await startOffClusterStore(cluster);
  demo.store = store;
  demo.cleanUp.push(() => store.server.stop());
  note('a real MinIO beside the cluster, in a network that its pods reach');
  await prepareMovers(cluster);
  return startAgent(cluster);
}

function tellWorkspace({ files, digest }: Workspace): void {
  note(`rex’s workspace: ${files} files, owners and modes, digest ${digest.slice(0, 16)}…`);
}

async function backUp(demo: Demo, cluster: TestCluster): Promise<number> {
  title('Keys: the backup gets the public halves only');
  await holdfast(demo, ['keys', 'generate', '--out', join(demo.work, 'keys')]);
  await holdfast(demo, ['init']);
  title(`Back up${demo.store === undefined ? '' : ', volumes and all'}, and verify that it can be read`);
  const volumes = demo.store === undefined ? [] : ['--volumes', 'data'];
  const { seconds } = await holdfast(demo, ['backup', 'create', '--kubeconfig', cluster.kubeconfig, '--tier', 'demo', ...volumes]);
  await holdfast(demo, ['verify', 'latest', '--identity', demo.identity]);
  return seconds;
}

async function measure(demo: Demo): Promise<Figures> {
  const described = await holdfast(demo, ['backup', 'describe', 'latest', '-o', 'json'], { quiet: true });
  return JSON.parse(described.stdout) as Figures;
}

async function disaster(cluster: TestCluster, stop: () => Promise<void>): Promise<void> {
  title('Disaster: the cluster, its etcd and its volumes are gone');
  await stop();
  await cluster.destroy();
  const left = await stat(cluster.dir).then(
    () => 'is still there',
    () => 'is deleted',
  );
  note(`${cluster.server} ${(await answers(cluster.server)) ? 'still answers' : 'does not answer any more'}; its data folder ${left}`);
}

async function restore(demo: Demo): Promise<{ target: TestCluster; seconds: number }> {
  title('An empty cluster');
  const target = await emptyCluster(demo);
  note(`${await countObjects(target)} objects, all of them its own`);
  const flags = ['--kubeconfig', target.kubeconfig, '--identity', demo.identity];
  title('Restore: the plan, then the plan is applied');
  await holdfast(demo, ['restore', 'plan', 'latest', ...flags]);
  const { seconds } = await holdfast(demo, ['restore', 'create', 'latest', ...flags, '--yes']);
  return { target, seconds };
}

async function emptyCluster(demo: Demo): Promise<TestCluster> {
  const options = { name: 'b', signal: demo.signal, onProgress: note };
  if (demo.store === undefined) {
    const target = await startCluster(options);
    demo.cleanUp.push(() => target.destroy());
    return target;
  }
  const target = await startClusterWithNode({ ...options, images: [holdfastImage] });
  demo.cleanUp.push(() => target.destroy());
  // The network of the first cluster went with it; what lies in the store did not.
  await demo.store.server.moveTo(target.node.hostAddress);
  await prepareMovers(target);
  return target;
}

async function validate(demo: Demo, target: TestCluster, live: LiveWorkflows): Promise<Checks> {
  title('The controllers start on what was restored');
  const argo = await startArgo(target);
  demo.cleanUp.push(() => argo.stop());
  const codeRuns = await startCodeRunController(target);
  demo.cleanUp.push(() => codeRuns.stop());
  title('Validate: everything is back and equal, and the platform works');
  const junit = join(demo.work, 'validation.xml');
  await holdfast(demo, ['validate', 'latest', '--kubeconfig', target.kubeconfig, '--identity', demo.identity, '--junit', junit]);
  title('The half-done workflow goes on where it was');
  tell(live.finished, await traceWorkflow(target, live.finished));
  tell(live.halfDone, await traceWorkflow(target, live.halfDone));
  tell(`${live.halfDone}, resumed`, await live.resume(target));
  const xml = await readFile(junit, 'utf8');
  const count = (name: string): number => Number(new RegExp(`<testsuites[^>]* ${name}="(\\d+)"`).exec(xml)?.[1] ?? Number.NaN);
  return { tests: count('tests'), failures: count('failures'), skipped: count('skipped') };
}

async function compareWorkspace(before: Workspace, target: ClusterWithNode): Promise<void> {
  title('The agent runs again, on the files that it had');
  const after = await lookAtWorkspace(target);
  tellWorkspace(after);
  if (after.digest !== before.digest) throw new Error(`the workspace came back otherwise: digest ${before.digest} before`);
  note('every file, link, owner and mode is as it was');
}

function tell(name: string, trace: WorkflowTrace): void {
  const ran = trace.ranHere.length > 0 ? `ran on this cluster: ${trace.ranHere.join(', ')}` : 'nothing of it ran on this cluster';
  note(`${name}: ${trace.phase}; ${trace.steps.map(one => `${one.name} ${one.phase}`).join(', ')}; ${ran}`);
}

function report(run: Figures & { backupSeconds: number; restoreSeconds: number; checks: Checks; total: number }): void {
  title('Report');
  const rows = [
    ['objects', String(run.objects)],
    ['bytes', `${(run.bytes / 1024).toFixed(0)} KiB of JSON`],
    ...run.volumes.flatMap(({ data }) =>
      data === undefined ? [] : [['a volume', `${data.files} files, ${(data.bytes / 2 ** 20).toFixed(1)} MiB`]],
    ),
    ['time to back up', `${run.backupSeconds.toFixed(1)} s`],
    ['time to restore', `${run.restoreSeconds.toFixed(1)} s`],
    [
      'checks',
      `${run.checks.tests - run.checks.failures - run.checks.skipped} passed, ${run.checks.failures} failed, ${run.checks.skipped} skipped`,
    ],
    ['the whole demonstration', `${run.total.toFixed(0)} s`],
  ];
  for (const [name, value] of rows) say(`   ${name!.padEnd(26)}${value}`);
  if (run.total > mostSeconds)
    say(styleText('yellow', `   longer than ${mostSeconds} s, which is what it shall take at most: is the machine busy?`));
}

const abort = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => abort.abort());
try {
  await main(abort.signal);
} catch (thrown) {
  console.error(styleText('red', `\nthe demonstration failed: ${thrown instanceof Error ? thrown.message : String(thrown)}`));
  process.exitCode = 1;
}
