import { createHmac } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { apiJson } from '../cluster/api-request.ts';
import { startCluster, type TestCluster } from '../cluster/cluster.ts';
import { tempDir } from '../cluster/temp-dir.ts';
import { waitFor } from '../cluster/wait.ts';
import { type ClusterGate, startClusterGate } from '../helpers/cluster-gate.ts';
import { holdfast, ok } from '../helpers/command.ts';
import { type HttpReceiver, startHttpReceiver } from '../helpers/http-receiver.ts';
import { everyHourSoonAgo } from '../helpers/schedules.ts';
import { type Served, startServe } from '../helpers/serve-process.ts';
import { type SmtpReceiver, startSmtpReceiver } from '../helpers/smtp-receiver.ts';

interface PostedNotice {
  readonly event: string;
  readonly state: string;
  readonly policy?: string;
  readonly id: string;
}
interface WrittenEvent {
  readonly reason: string;
  readonly reportingInstance: string;
  readonly regarding: { readonly kind: string };
}

const key = 'key-of-the-webhook-0123456789';
const hourMs = 3_600_000;
const schedule = everyHourSoonAgo();
const patience = { timeoutMs: 90_000, intervalMs: 50 };

/** One service after the other, each with its clock further ahead, on one repository and one cluster. */
describe('what a service tells those who watch it', () => {
  let dir: string;
  let cluster: TestCluster;
  let gate: ClusterGate;
  let hook: HttpReceiver;
  let ping: HttpReceiver;
  let smtp: SmtpReceiver;
  let service: Served | undefined;
  const logs: string[] = [];

  const serve = async (name: string, aheadMs: number): Promise<Served> => {
    service = await startServe({
      ...{ dir, name, aheadMs, kubeconfig: gate.kubeconfig, location: join(dir, 'repository'), keysDir: join(dir, 'keys') },
      more: `policies: {agents: {objectives: {rpo: 10h}, tiers: {often: {schedule: "${schedule}", keep: 7d}}}}
notifications:
  webhooks: [{url: "${hook.url}", secretFile: ${join(dir, 'hook.key')}}]
  email: [{host: 127.0.0.1, port: ${smtp.port}, from: holdfast@example.org, to: [on-call@example.org], tls: none}]
  deadMansSwitch: {url: "${ping.url}", every: 1s}
`,
    });
    await service.said('leading', 60_000);
    return service;
  };
  const stop = async (): Promise<void> => {
    service?.signal('SIGTERM');
    expect(await service?.exited).toBe(0);
    logs.push(service?.log() ?? '');
  };
  /** What a backup begins with. */
  const forbidBackups = () => gate.forbid(({ url }) => /^\/apis?(?:\?|$)/.test(url));
  const posted = (): PostedNotice[] => hook.calls.map(({ body }) => JSON.parse(body) as PostedNotice);
  const told = (event: string, state: string): Promise<PostedNotice> =>
    waitFor(`${event} is posted`, async () => posted().find(notice => notice.event === event && notice.state === state), patience).catch(
      thrown => {
        throw new Error(`${(thrown as Error).message}; there came ${JSON.stringify(posted())}\n${service?.log()}`);
      },
    );
  const mailed = ({ id }: PostedNotice, text: string) =>
    waitFor(
      `${id} is mailed`,
      async () => smtp.mails.some(({ data, to }) => data.includes(id) && data.includes(text) && to.includes('on-call@example.org')),
      patience,
    );
  const eventWritten = (reason: string, by: string) =>
    waitFor(
      `the Event ${reason} is written`,
      async () => {
        const { items } = await apiJson<{ items: WrittenEvent[] }>(cluster, '/apis/events.k8s.io/v1/namespaces/default/events');
        return items.find(event => event.reason === reason && event.reportingInstance === by && event.regarding.kind === 'Lease');
      },
      patience,
    );
  const silence = (reason: RegExp) =>
    waitFor(
      `the switch is silent because of ${reason}`,
      async () =>
        service!
          .log()
          .split('\n')
          .some(line => line.includes('the dead man’s switch is silent') && reason.test(line)),
      patience,
    );

  beforeAll(async () => {
    dir = await tempDir('telling');
    cluster = await startCluster({ name: 'telling', controllers: false, unsafeNoFsync: true });
    gate = await startClusterGate(cluster, dir);
    [hook, ping, smtp] = await Promise.all([startHttpReceiver(), startHttpReceiver(), startSmtpReceiver()]);
    await writeFile(join(dir, 'hook.key'), `${key}\n`, { mode: 0o600 });
    ok(await holdfast(['keys', 'generate', '--out', join(dir, 'keys')]));
    ok(await holdfast(['init', '--location', join(dir, 'repository'), '--keys-dir', join(dir, 'keys')]));
  });
  afterAll(async () => {
    service?.signal('SIGKILL');
    await service?.exited;
    for (const one of [hook, ping, smtp, gate]) await one?.close();
    await cluster?.destroy();
  });

  it('a backup that failed: a signed webhook, a mail and an Event, and the dead man’s switch is silent', async () => {
    forbidBackups();
    await serve('failing', 0);
    const notice = await told('backup.failed', 'began');
    expect(notice.policy).toBe('agents');
    const call = hook.calls.find(({ body }) => body.includes(notice.id))!;
    const [, t, v1] = /^t=(\d+),v1=([0-9a-f]{64})$/.exec(String(call.headers['holdfast-signature'])) ?? [];
    expect(v1).toBe(createHmac('sha256', key).update(`${t}.${call.body}`).digest('hex'));
    expect([call.method, call.headers['holdfast-delivery']]).toEqual(['POST', notice.id]);
    await mailed(notice, 'backup.failed');
    await eventWritten('LeaderElected', 'failing');
    await eventWritten('BackupFailed', 'failing');
    await silence(/agents has no complete set/);
    expect(ping.calls).toEqual([]);
    await stop();
  });

  it('the next one that is complete, by another process an hour later: recovered, and the switch is heard', async () => {
    gate.open();
    await serve('recovering', hourMs);
    const notice = await told('backup.recovered', 'recovered');
    await mailed(notice, 'agents');
    await eventWritten('BackupCompleted', 'recovering');
    await waitFor('the switch is heard time and again', async () => ping.calls.length >= 2, patience);
    expect(ping.calls[0]).toMatchObject({ method: 'GET' });
    expect(posted().filter(({ event }) => event === 'backup.failed')).toHaveLength(1);
    await stop();
  });

  it('a run that is overdue and an objective at risk, while the switch is still heard', async () => {
    forbidBackups();
    const before = ping.calls.length;
    await serve('late', 9.5 * hourMs);
    await mailed(await told('schedule.overdue', 'began'), 'schedule.overdue');
    await mailed(await told('objective.at-risk', 'began'), 'objective.at-risk');
    await eventWritten('ObjectiveAtRisk', 'late');
    await waitFor('the switch is heard', async () => ping.calls.length > before, patience);
    expect(posted().map(({ event }) => event)).not.toContain('objective.breached');
    await stop();
  });

  it('an objective that is breached, and from then on the switch is silent', async () => {
    const before = ping.calls.length;
    await serve('unprotected', 11.6 * hourMs);
    await mailed(await told('objective.breached', 'began'), 'objective.breached');
    await eventWritten('ObjectiveBreached', 'unprotected');
    await silence(/agents breaches an objective/);
    expect(ping.calls.length).toBe(before);
    await stop();
  });

  it('the same to everybody, and no secret to the logs', async () => {
    const all = posted();
    expect(all.length).toBeGreaterThan(4);
    for (const notice of all) await mailed(notice, notice.event);
    for (const secret of ['s3cr3t', key]) expect(logs.join('\n')).not.toContain(secret);
  });
});
