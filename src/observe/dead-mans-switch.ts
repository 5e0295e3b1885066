import type { Dispatcher } from 'undici';
import { asHoldfastError } from '../domain/errors.ts';
import type { Runtime } from '../domain/runtime.ts';
import type { ObjectiveStatus } from '../schedule/objectives.ts';
import { httpCall } from './http-call.ts';
import type { NoticeLog } from './notify.ts';
import type { ReadSecret } from './secret-file.ts';

export interface Wellness {
  readonly isLeading: boolean;
  readonly isStoreReachable: boolean;
  readonly objectives: readonly ObjectiveStatus[];
}

/** What keeps the switch silent; empty while everything is well. */
export function whatIsWrong({ isLeading, isStoreReachable, objectives }: Wellness): readonly string[] {
  const policies = objectives.filter(({ tier }) => tier === undefined);
  return [
    ...(isLeading ? [] : ['this replica does not lead']),
    ...(isStoreReachable ? [] : ['the location does not answer']),
    ...(policies.length === 0 ? ['there is no policy'] : []),
    ...policies.filter(({ lastComplete }) => lastComplete === undefined).map(({ policy }) => `${policy} has no complete set`),
    ...objectives
      .filter(({ state, lastComplete }) => state === 'breached' && lastComplete !== undefined)
      .map(({ policy, tier }) => `${[policy, tier].filter(Boolean).join('/')} breaches an objective`),
  ];
}

export interface DeadMansSwitchOptions {
  /** May be a secret. */
  readonly address: ReadSecret;
  readonly everyMs: number;
  /** Empty while everything is well. */
  readonly whatIsWrong: () => readonly string[];
  readonly runtime: Pick<Runtime, 'sleep'>;
  readonly log: NoticeLog;
  readonly timeoutMs?: number;
  readonly dispatcher?: Dispatcher;
  readonly signal: AbortSignal;
}

/**
 * Asks for the address at once and then every so often, only while everything is well: whoever watches it from outside raises the alarm when that
 * stops, whatever stopped it. Resolves when the signal aborts; never rejects.
 */
export async function runDeadMansSwitch(options: DeadMansSwitchOptions): Promise<void> {
  const { address, everyMs, runtime, log, signal, whatIsWrong: wrong, ...call } = options;
  let silentFor = '';
  while (!signal.aborted) {
    const reasons = wrong();
    const why = reasons.join('; ');
    if (why !== silentFor && why !== '') log.warn({ reasons }, 'the dead man’s switch is silent');
    if (why !== silentFor && why === '') log.info({}, 'the dead man’s switch is heard again');
    silentFor = why;
    if (why === '') {
      try {
        const { timeoutMs, dispatcher } = call;
        const url = await address(signal);
        await httpCall(
          { method: 'GET', url, ...(timeoutMs !== undefined && { timeoutMs }), ...(dispatcher !== undefined && { dispatcher }) },
          signal,
        );
      } catch (thrown) {
        if (!signal.aborted) log.warn({ err: asHoldfastError(thrown) }, 'the dead man’s switch could not be reached');
      }
    }
    await runtime.sleep(everyMs, signal).catch(() => {});
  }
}
