import type { Client } from '../client/client.ts';
import type { Runtime } from '../domain/runtime.ts';
import type { RetentionPlan } from '../schedule/retention.ts';
import type { RetentionItem } from '../schedule/retention-run.ts';
import { errorOf, follow } from './remote-work.ts';
import type { RetentionCommands } from './retention.ts';

interface Remote {
  readonly client: Client;
  readonly runtime: Runtime;
  readonly signal: AbortSignal;
}

/** As `openRetention`, by a running service and in the name of whoever its token belongs to. */
export function remoteRetention({ client, runtime, signal }: Remote): RetentionCommands {
  const plan = async () => (await client.retention.plan({ signal })) as RetentionPlan;
  const idOf = async (text: string) => (await client.backups.get({ params: { set: text }, signal })).id;
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
    hold: async (text, reason) => client.holds.put({ params: { set: await idOf(text) }, body: { reason }, signal }),
    release: async (text, reason) => {
      const set = await idOf(text);
      const { items } = await client.holds.list({ signal });
      await client.holds.delete({ params: { set }, query: { reason }, signal });
      return items.find(held => held.set === set) ?? { set, reason: '', by: '', at: '' };
    },
  };
}
