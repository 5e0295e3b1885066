import { HoldfastError } from '../domain/errors.ts';
import { headlineOf, linesOf } from './notice.ts';
import type { SendNotice } from './notify.ts';
import type { ReadSecret } from './secret-file.ts';

export interface EmailOptions {
  readonly host: string;
  readonly port: number;
  readonly from: string;
  /** At least one. */
  readonly to: readonly string[];
  /** `starttls`: the conversation must become encrypted, or nothing is sent. `none`: in the clear, and without a login. */
  readonly tls: 'starttls' | 'implicit' | 'none';
  /** No login without it. */
  readonly login?: { readonly user: ReadSecret; readonly password: ReadSecret };
  /** Certificates (PEM) to trust besides those of the system. */
  readonly ca?: string;
  /** Each step of the conversation, milliseconds. */
  readonly timeoutMs?: number;
}

const defaultStepMs = 15_000;
/** RFC 5321 §4.2.1: replies from 500 on are for good. */
const firstPermanent = 500;

/** Mails each notice by SMTP, in plain text. NOTICE_UNDELIVERED, NOTICE_REFUSED where the server refuses for good. */
export function emailSender(options: EmailOptions): SendNotice {
  const { host, port, from, to, tls, login, ca, timeoutMs = defaultStepMs } = options;
  return async (notice, signal) => {
    signal.throwIfAborted();
    const auth = login === undefined || tls === 'none' ? undefined : { user: await login.user(signal), pass: await login.password(signal) };
    // Here, since few services mail and it takes four megabytes.
    const { createTransport } = await import('nodemailer');
    const transport = createTransport({
      ...{ host, port, connectionTimeout: timeoutMs, greetingTimeout: timeoutMs, socketTimeout: timeoutMs },
      ...{
        secure: tls === 'implicit',
        requireTLS: tls === 'starttls',
        ignoreTLS: tls === 'none',
        disableFileAccess: true,
        disableUrlAccess: true,
      },
      ...(auth !== undefined && { auth }),
      ...(ca !== undefined && { tls: { ca } }),
    });
    const stop = () => transport.close();
    signal.addEventListener('abort', stop, { once: true });
    try {
      const { rejected } = await transport.sendMail({
        ...{ from, to: [...to], subject: headlineOf(notice), text: linesOf(notice).join('\n'), date: notice.at },
        // The same at every attempt, so that a mailbox can tell a second delivery.
        messageId: `<${notice.id}@holdfast>`,
        headers: { 'auto-submitted': 'auto-generated', 'x-holdfast-event': notice.event },
      });
      if (rejected.length > 0) {
        throw new HoldfastError('NOTICE_REFUSED', `mail server ${host}:${port} refused ${rejected.length} of ${to.length} recipients`);
      }
    } catch (thrown) {
      signal.throwIfAborted();
      if (thrown instanceof HoldfastError) throw thrown;
      const { code = 'unknown', responseCode } = thrown as { readonly code?: string; readonly responseCode?: number };
      const said = responseCode === undefined ? code : `${code}, answered ${responseCode}`;
      const isRefused = (responseCode ?? 0) >= firstPermanent;
      throw new HoldfastError(isRefused ? 'NOTICE_REFUSED' : 'NOTICE_UNDELIVERED', `mail server ${host}:${port}: ${said}`);
    } finally {
      signal.removeEventListener('abort', stop);
      transport.close();
    }
  };
}
