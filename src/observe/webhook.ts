import { createHmac } from 'node:crypto';
import type { Dispatcher } from 'undici';
import type { Runtime } from '../domain/runtime.ts';
import { httpCall } from './http-call.ts';
import { headlineOf, linesOf, type SentNotice } from './notice.ts';
import type { SendNotice } from './notify.ts';
import type { ReadSecret } from './secret-file.ts';

export const signatureHeader = 'holdfast-signature';
export const deliveryHeader = 'holdfast-delivery';

export interface WebhookOptions {
  readonly address: ReadSecret;
  /** Signs each body; unsigned without it. */
  readonly secret?: ReadSecret;
  readonly runtime: Pick<Runtime, 'now'>;
  readonly timeoutMs?: number;
  readonly dispatcher?: Dispatcher;
}

/** Posts each notice as JSON. Signed anew at every attempt, so that the time in the signature is that of the attempt. */
export function webhookSender({ address, secret, runtime, ...call }: WebhookOptions): SendNotice {
  return async (notice, signal) => {
    const body = JSON.stringify(webhookBody(notice));
    const key = await secret?.(signal);
    const headers = {
      'content-type': 'application/json',
      [deliveryHeader]: notice.id,
      ...(key !== undefined && { [signatureHeader]: sign(body, key, runtime.now()) }),
    };
    await httpCall({ ...call, method: 'POST', url: await address(signal), headers, body }, signal);
  };
}

/** `t=<unix seconds>,v1=<hex HMAC-SHA256 of "t.body">`. */
export function sign(body: string, secret: string, at: Date): string {
  const t = Math.floor(at.getTime() / 1000);
  return `t=${t},v1=${createHmac('sha256', secret).update(`${t}.${body}`).digest('hex')}`;
}

/** What is posted: the notice’s own fields, and the same as text. */
export function webhookBody(notice: SentNotice): Record<string, unknown> {
  return { version: 1, ...notice, headline: headlineOf(notice), text: linesOf(notice).join('\n') };
}
