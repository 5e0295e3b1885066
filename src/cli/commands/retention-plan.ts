import { exitCodes } from '../../domain/errors.ts';
import type { RetentionPlan } from '../../schedule/retention.ts';
import type { Call, CommandSpec } from '../command.ts';
import type { Flag } from '../flags.ts';
import { advise, present, warn } from '../output.ts';

export interface RetentionPlanFlags {
  readonly all?: boolean;
}

export const allFlag: Flag = { flags: '--all', text: 'every backup, not only what goes and what expires next' };

export const retentionPlan: CommandSpec<RetentionPlanFlags> = {
  name: 'plan',
  summary: 'See which backups retention would delete, why, and when each of the others expires',
  details:
    'Changes nothing. The policies of the configuration decide, or the default one, on the backups of the cluster that it names. Kept in any case: the newest complete backup of each policy, tier and cluster, what is held, in use, unreadable, dated in the future or of another cluster, and what no policy knows.',
  examples: [
    { what: 'what would go now, and what expires next', line: 'holdfast retention plan --config holdfast.yaml' },
    { what: 'every backup with its reasons', line: 'holdfast retention plan --all --location s3://backups/platform' },
    { what: 'only the ids of what would go', line: 'holdfast retention plan -o name' },
    {
      what: 'what expires within a week',
      line: `holdfast retention plan -o json | jq '.decisions[] | select((.expiresAt // "9") < (now + 604800 | todate))'`,
    },
  ],
  exits: {
    [exitCodes.ok]: 'planned, whatever it says',
    [exitCodes.failed]: 'the location cannot be read',
    [exitCodes.timeout]: 'not done within --timeout',
    [exitCodes.notFound]: 'the location holds no repository, or the bucket does not exist',
  },
  uses: ['keys', 'repository', 'cluster', 'server', 'output', 'general'],
  flags: [allFlag],
  outputs: ['table', 'json', 'yaml', 'name'],
  run: async call => {
    const app = await call.app();
    const plan = await (await app.retention(call.signal)).plan();
    await presentRetentionPlan(call, plan);
    return exitCodes.ok;
  },
};

/** The plan on stdout, and on stderr what somebody should look at. */
export async function presentRetentionPlan(call: Call<RetentionPlanFlags>, plan: RetentionPlan): Promise<void> {
  const [app, { retentionPlanLines }] = await Promise.all([call.app(), import('../render/retention.ts')]);
  const { all = false, headers } = call.options;
  await present(call, {
    document: plan,
    lines: () => retentionPlanLines(plan, { style: call.style, now: call.now(), headers, all }),
    names: () => plan.decisions.filter(({ action }) => action === 'delete').map(({ set }) => set),
  });
  for (const notice of plan.notices) warn(call, notice);
  if (plan.decisions.length === 0) advise(call, `No backups in ${await app.location()}.`);
}
