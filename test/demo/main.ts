import { mkdtemp, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { styleText } from 'node:util';
import { startArgo, startCluster, type TestCluster } from '../cluster/cluster.ts';
import { applyPlatform } from '../fixtures/platform/apply.ts';
import { startCodeRunController } from '../fixtures/platform/coderun-controller.ts';
import { type LiveWorkflows, startLiveWorkflows, traceWorkflow, type WorkflowTrace } from '../fixtures/platform/workflows-live.ts';
import { answers, countObjects } from './look.ts';
import { holdfast } from './run.ts';

/** The main job in one go, on real servers: back up a platform, lose all of it, restore it on an empty cluster, prove that it works. */

const say = (text: string): void => console.log(text);
const note = (text: string): void => say(styleText('dim', `   ${text}`));
let step = 0;
const title = (text: string): void => say(`\n${styleText('bold', `${++step}. ${text}`)}`);

interface Demo {
  readonly work: string;
  /** Flags that every command gets. */
  readonly common: readonly string[];
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
}

async function main(signal: AbortSignal): Promise<void> {
  const began = performance.now();
  const work = await mkdtemp(join(tmpdir(), 'holdfast-demo-'));
  const location = ownPrefix(process.env['HOLDFAST_DEMO_LOCATION'] ?? `file://${join(work, 'repository')}`);
  const demo: Demo = {
    work,
    common: ['--location', location, '--keys-dir', join(work, 'keys')],
    identity: join(work, 'keys', 'operator.identity'),
    signal,
    cleanUp: [() => rm(work, { recursive: true, force: true })],
  };
  try {
    const { cluster, live, stop } = await platform(demo);
    const backupSeconds = await backUp(demo, cluster);
    const figures = await measure(demo);
    await disaster(cluster, stop);
    const { target, seconds } = await restore(demo);
    const checks = await validate(demo, target, live);
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

async function platform(demo: Demo): Promise<{ cluster: TestCluster; live: LiveWorkflows; stop: () => Promise<void> }> {
  title('A cluster with an agent platform on it');
  const cluster = await startCluster({ name: 'a', argo: true, signal: demo.signal, onProgress: note });
  demo.cleanUp.push(() => cluster.destroy());
  note(`a real kube-apiserver at ${cluster.server}, with etcd, kube-controller-manager and the Argo Workflows controller`);
  const codeRuns = await startCodeRunController(cluster);
  demo.cleanUp.push(() => codeRuns.stop());
  await applyPlatform(cluster);
  const live = await startLiveWorkflows(cluster, { signal: demo.signal });
  note(`${await countObjects(cluster)} objects on it`);
  tell(live.finished, await traceWorkflow(cluster, live.finished));
  tell(live.halfDone, await traceWorkflow(cluster, live.halfDone));
  return { cluster, live, stop: () => codeRuns.stop() };
}

async function backUp(demo: Demo, cluster: TestCluster): Promise<number> {
  const { common, signal } = demo;
  title('Keys: the backup gets the public halves only');
  await holdfast(['keys', 'generate', '--out', join(demo.work, 'keys')], { signal });
  await holdfast(['init', ...common], { signal });
  title('Back up, and verify that it can be read');
  const { seconds } = await holdfast(['backup', 'create', ...common, '--kubeconfig', cluster.kubeconfig, '--tier', 'demo'], { signal });
  await holdfast(['verify', 'latest', ...common, '--identity', demo.identity], { signal });
  return seconds;
}

async function measure(demo: Demo): Promise<Figures> {
  const described = await holdfast(['backup', 'describe', 'latest', ...demo.common, '-o', 'json'], { signal: demo.signal, quiet: true });
  return JSON.parse(described.stdout) as Figures;
}

async function disaster(cluster: TestCluster, stop: () => Promise<void>): Promise<void> {
  title('Disaster: the cluster and its etcd are gone');
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
  const target = await startCluster({ name: 'b', signal: demo.signal, onProgress: note });
  demo.cleanUp.push(() => target.destroy());
  note(`${await countObjects(target)} objects, all of them its own`);
  const flags = [...demo.common, '--kubeconfig', target.kubeconfig, '--identity', demo.identity];
  title('Restore: the plan, then the plan is applied');
  await holdfast(['restore', 'plan', 'latest', ...flags], { signal: demo.signal });
  const { seconds } = await holdfast(['restore', 'create', 'latest', ...flags, '--yes'], { signal: demo.signal });
  return { target, seconds };
}

async function validate(demo: Demo, target: TestCluster, live: LiveWorkflows): Promise<Checks> {
  title('The controllers start on what was restored');
  const argo = await startArgo(target);
  demo.cleanUp.push(() => argo.stop());
  const codeRuns = await startCodeRunController(target);
  demo.cleanUp.push(() => codeRuns.stop());
  title('Validate: everything is back and equal, and the platform works');
  const junit = join(demo.work, 'validation.xml');
  const flags = [...demo.common, '--kubeconfig', target.kubeconfig, '--identity', demo.identity, '--junit', junit];
  await holdfast(['validate', 'latest', ...flags], { signal: demo.signal });
  title('The half-done workflow goes on where it was');
  tell(live.finished, await traceWorkflow(target, live.finished));
  tell(live.halfDone, await traceWorkflow(target, live.halfDone));
  tell(`${live.halfDone}, resumed`, await live.resume(target));
  const xml = await readFile(junit, 'utf8');
  const count = (name: string): number => Number(new RegExp(`<testsuites[^>]* ${name}="(\\d+)"`).exec(xml)?.[1] ?? Number.NaN);
  return { tests: count('tests'), failures: count('failures'), skipped: count('skipped') };
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
    ['time to back up', `${run.backupSeconds.toFixed(1)} s`],
    ['time to restore', `${run.restoreSeconds.toFixed(1)} s`],
    [
      'checks',
      `${run.checks.tests - run.checks.failures - run.checks.skipped} passed, ${run.checks.failures} failed, ${run.checks.skipped} skipped`,
    ],
    ['the whole demonstration', `${run.total.toFixed(0)} s`],
  ];
  for (const [name, value] of rows) say(`   ${name!.padEnd(26)}${value}`);
}

const abort = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => abort.abort());
try {
  await main(abort.signal);
} catch (thrown) {
  console.error(styleText('red', `\nthe demonstration failed: ${thrown instanceof Error ? thrown.message : String(thrown)}`));
  process.exitCode = 1;
}
