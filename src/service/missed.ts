import { clockSlackMs } from '../domain/clock-slack.ts';
import { clusterName } from '../domain/cluster-identity.ts';
import { isCode } from '../domain/errors.ts';
import type { Actor } from '../domain/operation.ts';
import { isDamage } from '../repository/damage.ts';
import type { MissedFire } from '../schedule/due.ts';
import { entriesSince } from './ledger-since.ts';
import { persistently } from './persistently.ts';
import { currentTerm, type World } from './world.ts';

const actor: Actor = { name: 'schedule', via: 'schedule' };

export interface MissedTelling {
  readonly signal: AbortSignal;
  readonly onMissed: (missed: MissedFire) => void;
}

/**
 * Tells people of a fire that was given up, once whatever restarts and whoever leads: the ledger is told first, and says who was told already.
 * Never rejects; a store that is away is waited for.
 */
export async function tellOfMissed(world: World, missed: MissedFire, { signal, onMissed }: MissedTelling): Promise<void> {
  const { fire, deadline, attempts } = missed;
  const { policy, tier, at } = fire;
  const subject = `${policy}/${tier}`;
  try {
    await persistently(world, signal, 'the ledger could not be told of a run that was given up', async () => {
      if (await isTold(world, missed, signal)) return;
      currentTerm(world);
      const details = {
        policy,
        tier,
        at,
        deadline,
        attempts,
        ...(world.home !== undefined && { cluster: clusterName(world.home.identity) }),
      };
      await world.ledger.append({ action: 'schedule.missed', actor, subject, details });
      onMissed(missed);
    });
  } catch (thrown) {
    // The next leader finds it given up again.
    if (!isCode(thrown, 'NOT_LEADER')) throw thrown;
  }
}

/** Where the ledger is damaged nobody knows, and twice is better than never. */
async function isTold(world: World, { fire, deadline }: MissedFire, signal: AbortSignal): Promise<boolean> {
  try {
    for await (const { action, details } of entriesSince(world, new Date(Date.parse(deadline) - clockSlackMs), signal)) {
      if (action !== 'schedule.missed' || details['policy'] !== fire.policy || details['tier'] !== fire.tier) continue;
      // What names no cluster was told by an older version.
      const { cluster } = details;
      if (cluster !== undefined && world.home !== undefined && cluster !== clusterName(world.home.identity)) continue;
      if (details['at'] === fire.at) return true;
    }
  } catch (thrown) {
    if (!isDamage(thrown)) throw thrown;
    world.log.error({ err: thrown }, 'whether people were told of a run that was given up cannot be read');
  }
  return false;
}
