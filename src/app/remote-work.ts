import type { OperationView } from '../api/schemas/operation.ts';
import type { Run } from '../app.ts';
import type { Client } from '../client/client.ts';
import { asHoldfastError, type ErrorCode, errorTable, HoldfastError } from '../domain/errors.ts';
import type { Runtime } from '../domain/runtime.ts';

const pauseMs = 2_000;
/** Another replica takes over within a minute; a service that is away for longer has to be looked after. */
const mostAwayMs = 5 * 60_000;
const cancelMs = 5_000;

/**
 * Follows an operation to its end, also over a change of leader or a restart of the service. When the run is aborted, the operation is asked to
 * stop. INTERRUPTED where it was cancelled or not finished.
 */
export async function follow(
  client: Client,
  { id }: Pick<OperationView, 'id'>,
  { signal, progress }: Run,
  runtime: Runtime,
): Promise<OperationView> {
  const onState = ({ progress: step }: OperationView): void => {
    if (step !== undefined) progress(step);
  };
  let awaySince: number | undefined;
  for (;;) {
    try {
      const seen = (operation: OperationView): void => {
        awaySince = undefined;
        onState(operation);
      };
      return requireEnd(await client.waitFor(id, { signal, onState: seen }));
    } catch (thrown) {
      if (signal.aborted) {
        await client.operations.cancel({ params: { id }, signal: AbortSignal.timeout(cancelMs) }).catch(() => {});
        throw thrown;
      }
      const error = asHoldfastError(thrown);
      const now = runtime.now().getTime();
      awaySince ??= now;
      if (!error.retryable || error.code === 'INTERRUPTED' || now - awaySince > mostAwayMs) throw error;
      await runtime.sleep(pauseMs, signal);
    }
  }
}

function requireEnd(operation: OperationView): OperationView {
  const { id, phase, error } = operation;
  if (phase === 'Cancelled') throw new HoldfastError('INTERRUPTED', `${id} was cancelled`);
  if (phase === 'Interrupted') {
    throw new HoldfastError('INTERRUPTED', `${id} was interrupted${error === undefined ? '' : `: ${error.message}`}`);
  }
  return operation;
}

/** The error that an operation ended with, as it was thrown over there. */
export function errorOf({ id, phase, error }: OperationView): HoldfastError {
  if (error === undefined) return new HoldfastError('SERVICE_ERROR', `${id} ended as ${phase} and does not say why`);
  return new HoldfastError(codeOf(error.code), error.message, { hint: error.hint });
}

/** Of a newer service there may be codes that are not known here. */
export function codeOf(code: string): ErrorCode {
  return Object.hasOwn(errorTable, code) ? (code as ErrorCode) : 'SERVICE_ERROR';
}
