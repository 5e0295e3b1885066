import type { Client } from '../client/client.ts';
import type { Runtime } from '../domain/runtime.ts';
import type { Deletion } from '../schedule/delete-by-hand.ts';
import type { DeletionPlan } from '../schedule/deletion-plan.ts';
import type { RetentionPlan } from '../schedule/retention.ts';
import type { RetentionItem } from '../schedule/retention-run.ts';
import { errorOf, follow } from './remote-work.ts';
import type { MeantSet, RetentionCommands } from './retention.ts';

interface Remote {
  readonly client: Client;
  readonly runtime: Runtime;
  readonly signal: AbortSignal;
}

/** As `openRetention`, by a running service and in the name of whoever its token belongs to. */
export function remoteRetention({ client, runtime, signal }: Remote): RetentionCommands {
  const plan = async () => (await client.retention.plan({ signal })) as RetentionPlan;
  const idOf = async ({ text, cluster }: MeantSet) => {
    const query = cluster === undefined ? {} : { cluster };
    return (await client.backups.get({ params: { set: text }, query, signal })).id;
  };
  return {
    plan,
    run: async ({ confirm, yes }, run) => {
      const { blocked: _blocked, ...agreed } = await plan();
      const started = await client.retention.run({ body: { confirm: confirm ?? agreed.digest, beyondLimit: yes }, signal: run.signal });
      const ended = await follow(client, started, run, runtime);
      const {
        items,
        notices = [],
        blocked,
      } = (ended.summary ?? {}) as {
        readonly items?: readonly RetentionItem[];
        readonly notices?: readonly string[];
        readonly blocked?: string;
      };
      if (items === undefined) throw errorOf(ended);
      return { plan: { ...agreed, ...(blocked !== undefined && { blocked }) }, items, notices };
    },
    planDeletion: async (set, without) => {
      const query = without.length === 0 ? {} : { without: without.join(',') };
      return (await client.backups.deletion({ params: { set }, query, signal })) as DeletionPlan;
    },
    deleteSet: async (set, reason, run) => {
      const query = reason === undefined ? {} : { reason };
      const ended = await follow(client, await client.backups.delete({ params: { set }, query, signal: run.signal }), run, runtime);
      if (ended.error !== undefined) throw errorOf(ended);
      return ended.summary as unknown as Deletion;
    },
    hold: async (meant, reason) => client.holds.put({ params: { set: await idOf(meant) }, body: { reason }, signal }),
    release: async (meant, reason) => {
      const set = await idOf(meant);
      const { items } = await client.holds.list({ signal });
      await client.holds.delete({ params: { set }, query: { reason }, signal });
      return items.find(held => held.set === set) ?? { set, reason: '', by: '', at: '' };
    },
  };
}
