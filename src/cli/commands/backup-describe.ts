import type { IndexEntry } from '../../domain/backup-set.ts';
import { exitCodes } from '../../domain/errors.ts';
import type { Call, CommandSpec } from '../command.ts';
import { present } from '../output.ts';
import { type ClusterFlagValue, clusterFlag, clusterOf, setArgument } from '../set-argument.ts';

interface Options extends ClusterFlagValue {
  readonly objects?: boolean;
}

export const backupDescribe: CommandSpec<Options> = {
  name: 'describe',
  arguments: [setArgument],
  summary: 'Show what a backup holds, what it lacks and why, and who sealed and signed it',
  examples: [
    { what: 'the newest complete one', line: 'holdfast backup describe latest --location s3://backups/platform --keys-dir ./keys' },
    { what: 'the newest of a day', line: 'holdfast backup describe 2026-11-20' },
    { what: 'is a certain object in it?', line: 'holdfast backup describe latest --objects | grep github-app' },
    { what: 'counts by kind, for a script', line: "holdfast backup describe latest -o json | jq '.kinds[] | {resource, count}'" },
  ],
  exits: {
    [exitCodes.ok]: 'shown',
    [exitCodes.failed]: 'the location cannot be read',
    [exitCodes.verification]: 'the manifest is damaged or not signed by the expected key',
    [exitCodes.notFound]: 'no such backup, repository or bucket',
    [exitCodes.wrongKey]: 'with --objects: the index is sealed, and the identity is missing or wrong',
  },
  uses: ['identity', 'keys', 'repository', 'server', 'output', 'general'],
  flags: [{ flags: '--objects', text: 'list its objects instead; -o json gives one line an object' }, clusterFlag],
  outputs: ['table', 'json', 'yaml', 'name'],
  run: async call => {
    const app = await call.app();
    const set = await app.openSet(call.args[0] ?? 'latest', { signal: call.signal, need: 'manifest', ...clusterOf(call.options) });
    if (call.options.objects === true) {
      await listObjects(call, set.entries({ signal: call.signal }));
      return exitCodes.ok;
    }
    const { backupDescription } = await import('../render/backup-description.ts');
    const { manifest, signature } = set;
    await present(call, {
      document: { ...manifest, signature },
      lines: () => backupDescription(manifest, signature, { now: call.now(), style: call.style }),
      names: () => [manifest.id],
    });
    return exitCodes.ok;
  },
};

/** Streams: a set may hold a million objects. */
async function listObjects(call: Call, entries: AsyncIterable<IndexEntry>): Promise<void> {
  const { stdout } = call.terminal;
  const { objectColumns } = await import('../render/object-list.ts');
  for await (const entry of entries) {
    if (call.format === 'json') stdout.write(`${JSON.stringify(entry)}\n`);
    else if (call.format === 'yaml') stdout.write(`---\n${(await import('../yaml-text.ts')).yamlText(entry)}`);
    else stdout.write(`${objectColumns(entry, call.format === 'name')}\n`);
  }
}
