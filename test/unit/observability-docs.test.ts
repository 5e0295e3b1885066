import { readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { eventReasons } from '../../src/observe/event-reasons.ts';
import { createMetrics, type Standing } from '../../src/observe/metrics.ts';
import { type NoticeEvent, noticeKinds } from '../../src/observe/notice.ts';
import { sign, webhookBody } from '../../src/observe/webhook.ts';
import { tempDir } from '../cluster/temp-dir.ts';

const text = readFileSync(resolve(import.meta.dirname, '../../docs/observability.md'), 'utf8');

function table(name: string): string | undefined {
  return new RegExp(`<!-- ${name}:begin -->\\n(?:\\|.*\\n\\|[-|]+\\n)?([\\s\\S]*?)<!-- ${name}:end -->`).exec(text)?.[1];
}
function code(language: string, containing: string): string {
  const blocks = [...text.matchAll(new RegExp(`\`\`\`${language}\\n([\\s\\S]*?)\`\`\``, 'g'))].map(match => match[1]!);
  return blocks.find(block => block.includes(containing)) ?? '';
}

interface Metric {
  readonly name: string;
  readonly type: string;
  readonly help: string;
  readonly labels: readonly string[];
}

/** Our own metrics as a scrape shows them when everything was measured once. */
async function scraped(): Promise<Metric[]> {
  const tier = { policy: 'p', tier: 't' };
  const kept = { rpo: 1, rpoObjective: 1, rto: 1, rtoObjective: 1 };
  const standing: Standing = {
    ...{ leading: true, storeReachable: true, clusterReachable: true, ledgerEntries: 1, running: {} },
    policies: [{ policy: 'p', ...kept, notProtected: ['volumeData'] }],
    tiers: [{ ...tier, ...kept, newest: { at: 1, objects: 1, bytes: 1 }, nextRun: 1, overdue: false }],
    sets: [{ tier: 't', phase: 'Completed', count: 1, bytes: 1 }],
  };
  const metrics = createMetrics(() => standing, '1.2.3');
  metrics.backupEnded({ ...tier, phase: 'Completed', seconds: 1, objects: 1, problems: 0 });
  metrics.operationEnded({ kind: 'restore', phase: 'Completed', seconds: 1 });
  metrics.operationEnded({ kind: 'verify', phase: 'Completed', seconds: 1 });
  metrics.scheduleMissed('p', 't');
  const item = { repository: 'volumes/a/b/', forgotten: 1, state: 'done', reason: '' } as const;
  metrics.volumes.captured(tier, { claims: 3, snapshotted: 1, moved: 1, notProtected: 1, failed: 1, bytes: 1, addedBytes: 1 });
  metrics.volumes.failed('backup', 'MOVER_FAILED', 1);
  metrics.volumes.moverEnded({ action: 'backup', result: 'completed', seconds: 1, bytes: 1, addedBytes: 1 });
  metrics.volumes.upkeepEnded({ items: [item], repositories: 1, notices: [] });
  metrics.volumes.orphansFound(1);
  metrics.requestAnswered({ method: 'GET', route: '/', status: 200, seconds: 1 });
  const shown = await metrics.metrics();
  return [...shown.matchAll(/^# HELP (holdfast_\w+) (.+)\n# TYPE \w+ (\w+)$/gm)].map(([, name = '', help = '', type = '']) => {
    const labels = new RegExp(`^${name}(?:_bucket)?\\{(.*)\\} `, 'm').exec(shown)?.[1] ?? '';
    const names = [...labels.matchAll(/(\w+)="/g)].map(match => match[1]!);
    return { name, type, help, labels: names.filter(label => label !== 'le') };
  });
}

describe('docs/observability.md', () => {
  it('lists exactly the metrics that there are', async () => {
    const rows = (await scraped()).map(
      ({ name, type, labels, help }) => `| \`${name}\` | ${type} | ${labels.map(label => `\`${label}\``).join(' ')} | ${help} |`,
    );
    expect(rows.length).toBeGreaterThan(20);
    expect(table('metrics')?.trimEnd().split('\n').sort()).toEqual(rows.sort());
  });

  it('lists exactly the Events that are written', () => {
    const rows = Object.entries(eventReasons).map(([reason, { type, meaning }]) => `| \`${reason}\` | ${type} | ${meaning} |`);
    expect(table('events')).toBe(`${rows.join('\n')}\n`);
  });

  it('lists exactly what people are told of', () => {
    const rows = Object.entries(noticeKinds).map(
      ([event, { group, severity, form, meaning }]) => `| \`${event}\` | ${group} | ${severity} | ${form} | ${meaning} |`,
    );
    expect(table('notices')).toBe(`${rows.join('\n')}\n`);
  });

  it('shows a body as it is posted', () => {
    const { headline, text: whole, ...shown } = JSON.parse(code('json', '"headline"'));
    const { version, ...notice } = shown;
    expect(Object.keys(noticeKinds)).toContain(notice.event as NoticeEvent);
    expect(webhookBody(notice)).toEqual({ version, ...notice, headline, text: whole });
  });

  it('verifies a signature as they are made, and nothing else', async () => {
    const folder = await tempDir('docs');
    const file = join(folder, 'verify.mjs');
    writeFileSync(file, code('js', 'isGenuine'));
    const { isGenuine } = (await import(pathToFileURL(file).href)) as {
      isGenuine(header: string | undefined, body: string, key: string, now?: number): boolean;
    };
    const at = new Date('2026-11-23T02:00:05.123Z');
    const header = sign('{"a":1}', 'key', at);
    expect(isGenuine(header, '{"a":1}', 'key', at.getTime() + 60_000)).toBe(true);
    expect(isGenuine(header, '{"a":2}', 'key', at.getTime())).toBe(false);
    expect(isGenuine(header, '{"a":1}', 'other', at.getTime())).toBe(false);
    expect(isGenuine(header, '{"a":1}', 'key', at.getTime() + 600_000)).toBe(false);
    for (const forged of [undefined, '', 't=1', 'v1=00', 't=x,v1=', `${header}00`]) expect(isGenuine(forged, '{"a":1}', 'key')).toBe(false);
  });

  it('alerts on metrics and labels that there are', async () => {
    const known = new Map((await scraped()).map(({ name, labels }) => [name, labels]));
    const { groups } = parse(code('yaml', 'groups:')) as { groups: { rules: { alert: string; expr: string }[] }[] };
    const rules = groups.flatMap(group => group.rules);
    expect(rules.length).toBeGreaterThan(5);
    for (const { alert, expr } of rules) {
      const used = [...expr.matchAll(/holdfast_\w+/g)].map(([name]) => name);
      expect(used.length, alert).toBeGreaterThan(0);
      for (const name of used) expect([...known.keys()], alert).toContain(name);
      for (const [, labels = ''] of expr.matchAll(/(?:by|on|ignoring) ?\(([^)]*)\)/g)) {
        for (const label of labels.split(',').map(one => one.trim())) {
          expect(
            used.flatMap(name => known.get(name) ?? []),
            alert,
          ).toContain(label);
        }
      }
    }
  });
});
