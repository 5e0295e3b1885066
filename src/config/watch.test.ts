import { mkdir, readlink, rename, symlink, writeFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { configFiles } from '../../test/helpers/config-files.ts';
import { HoldfastError } from '../domain/errors.ts';
import type { Runtime } from '../domain/runtime.ts';
import type { SettingChange } from './changes.ts';
import type { Config } from './load.ts';
import { type ConfigWatch, watchConfig } from './watch.ts';

const { path, file, load } = configFiles();

/** A clock that goes on only when told. */
function heldRuntime() {
  const sleepers: { ms: number; wake: () => void }[] = [];
  let onSleep = () => {};
  const runtime: Runtime = {
    now: () => new Date(0),
    random: bytes => new Uint8Array(bytes),
    sleep: (ms, signal) =>
      new Promise((resolve, reject) => {
        const entry = { ms, wake: resolve };
        signal?.throwIfAborted();
        signal?.addEventListener('abort', () => {
          sleepers.splice(sleepers.indexOf(entry), 1);
          reject(signal.reason);
        });
        sleepers.push(entry);
        onSleep();
      }),
  };
  /** Resolves when the watch waits for its next look. */
  const idle = () =>
    new Promise<void>(resolve => {
      const look = () => {
        const [only] = sleepers;
        if (only?.ms === 5000) resolve();
        // A file has to settle.
        else sleepers.shift()?.wake();
      };
      onSleep = look;
      look();
    });
  const tick = async () => {
    const entry = sleepers.shift();
    entry?.wake();
    await idle();
  };
  return { runtime, idle, tick };
}

const ended = new AbortController();
const running: ConfigWatch[] = [];

/** A watch that has had its first look. */
async function watched(name: string) {
  const clock = heldRuntime();
  const seen = {
    clock,
    changes: [] as { config: Config; changes: readonly SettingChange[] }[],
    errors: [] as HoldfastError[],
    loads: 0,
    refusal: undefined as HoldfastError | undefined,
  };
  const watch = watchConfig({
    current: await load({}, [], name),
    load: () => {
      seen.loads += 1;
      return load({}, [], name);
    },
    onChange: async (config, changes) => {
      seen.changes.push({ config, changes });
      if (seen.refusal !== undefined) throw seen.refusal;
    },
    onInvalid: error => seen.errors.push(error),
    runtime: clock.runtime,
    signal: ended.signal,
  });
  running.push(watch);
  await clock.idle();
  await clock.tick();
  return Object.assign(seen, { watch, loads: 0 });
}

describe('a changed file', () => {
  it('is loaded, and told with what has changed and how it is taken up', async () => {
    const seen = await watched(await file('logs: {level: info}\nservice: {listen: "127.0.0.1:1"}'));
    await file('logs: {level: debug}\nservice: {listen: "127.0.0.1:2"}');
    await seen.clock.tick();
    expect(seen.changes.map(({ changes }) => changes)).toEqual([
      [
        { setting: 'service.listen', before: '127.0.0.1:1', after: '127.0.0.1:2', taken: 'atOnce' },
        { setting: 'logs.level', before: 'info', after: 'debug', taken: 'atOnce' },
      ],
    ]);
    expect(seen.changes[0]?.config.settings.logs?.level).toBe('debug');
  });

  it('is told entry by entry where it is a map, and without what is secret', async () => {
    const policy = (keep: string) => `policies: {p: {tiers: {d: {schedule: "@daily", keep: ${keep}}}}}\n`;
    const hook = (name: string) => `notifications: {webhooks: [{url: "https://hooks.example/${name}"}]}\n`;
    const seen = await watched(await file(policy('30d') + hook('one')));
    await file(policy('14d') + hook('two'));
    await seen.clock.tick();
    expect(seen.changes[0]?.changes).toEqual([
      { setting: 'policies.p.tiers.d.keep', before: '30d', after: '14d', taken: 'atOnce' },
      { setting: 'notifications.webhooks', before: undefined, after: undefined, taken: 'atOnce' },
    ]);
  });

  it('is no news where only its comments changed', async () => {
    const seen = await watched(await file('tier: daily'));
    await file('# why\ntier: daily');
    await seen.clock.tick();
    expect([seen.loads, seen.changes.length]).toEqual([1, 0]);
    await seen.clock.tick();
    expect(seen.loads).toBe(1);
  });

  it('is noticed when a mounted ConfigMap swaps its link', async () => {
    const version = async (name: string, text: string) => {
      await mkdir(path(name));
      await writeFile(path(name, 'holdfast.yaml'), text);
      await symlink(name, path('..data_tmp'));
      await rename(path('..data_tmp'), path('..data'));
    };
    await version('..1', 'tier: one');
    await symlink('..data/holdfast.yaml', path('mounted.yaml'));
    const seen = await watched('mounted.yaml');
    await version('..2', 'tier: two');
    await seen.clock.tick();
    expect(await readlink(path('..data'))).toBe('..2');
    expect(seen.changes[0]?.changes).toMatchObject([{ setting: 'tier', before: 'one', after: 'two' }]);
  });
});

describe('an invalid file', () => {
  it('leaves what was in force, is told once, and told to be well again', async () => {
    const seen = await watched(await file('tier: daily'));
    await file('tier: daily\nconcurrency: many');
    await seen.clock.tick();
    await seen.clock.tick();
    await seen.clock.tick();
    expect(seen.errors.map(error => error.message)).toEqual(['etc/holdfast.yaml:2: concurrency must be a whole number, not "many"']);
    expect(seen.changes).toEqual([]);
    await file('tier: daily');
    await seen.clock.tick();
    expect(seen.changes).toMatchObject([{ changes: [] }]);
  });

  it('is told again for another content', async () => {
    const seen = await watched(await file('tier: daily'));
    for (const text of ['tier: A', 'tier: B']) {
      await file(text);
      await seen.clock.tick();
    }
    expect(seen.errors).toHaveLength(2);
  });

  it('can be one that is gone for a while', async () => {
    const seen = await watched(await file('tier: daily'));
    await rename(path('etc/holdfast.yaml'), path('etc/away.yaml'));
    await seen.clock.tick();
    await seen.clock.tick();
    expect(seen.errors.map(error => error.message)).toEqual(['cannot read config file etc/holdfast.yaml: no such file']);
    await rename(path('etc/away.yaml'), path('etc/holdfast.yaml'));
    await seen.clock.tick();
    expect(seen.changes).toMatchObject([{ changes: [] }]);
  });
});

describe('a file that cannot be taken up', () => {
  const refusal = new HoldfastError('CONFIG_INVALID', '127.0.0.1:1 cannot be listened on (EADDRINUSE)');

  it('leaves what was in force, is told once, and tried until it can', async () => {
    const seen = await watched(await file('tier: one'));
    seen.refusal = refusal;
    await file('tier: two');
    await seen.clock.tick();
    await seen.clock.tick();
    expect(seen.errors).toEqual([refusal]);
    seen.refusal = undefined;
    await seen.clock.tick();
    await seen.clock.tick();
    const change = [{ setting: 'tier', before: 'one', after: 'two' }];
    expect(seen.changes.map(({ changes }) => changes)).toMatchObject([change, change, change]);
    expect(seen.errors).toHaveLength(1);
  });

  it('is no news any more once it is as it was before', async () => {
    const seen = await watched(await file('tier: one'));
    seen.refusal = refusal;
    await file('tier: two');
    await seen.clock.tick();
    seen.refusal = undefined;
    await file('tier: one');
    await seen.clock.tick();
    await seen.clock.tick();
    expect(seen.changes.slice(1)).toMatchObject([{ changes: [] }]);
  });
});

it('a poke loads at once and takes up, also where no time has passed and nothing has changed', async () => {
  const seen = await watched(await file('tier: daily'));
  seen.watch.poke();
  await seen.clock.idle();
  expect([seen.loads, seen.changes.length]).toEqual([1, 1]);
});

it('ends with its signal', async () => {
  ended.abort();
  await Promise.all(running.map(watch => watch.ended));
});
