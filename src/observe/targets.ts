import type { Runtime } from '../domain/runtime.ts';
import { emailSender } from './email.ts';
import { hostOf } from './http-call.ts';
import { groupOf, type SentNotice } from './notice.ts';
import type { NoticeTarget } from './notify.ts';
import { addressOf, secretFile } from './secret-file.ts';
import { slackSender } from './slack.ts';
import { webhookSender } from './webhook.ts';

interface Filtered {
  /** Groups (`failure`) or events (`backup.failed`); everything unless given. */
  readonly events?: readonly string[] | undefined;
}

interface Addressed {
  readonly url?: string | undefined;
  readonly urlFile?: string | undefined;
}

/** Who is told, in the shape of the configuration’s `notifications`. */
export interface TargetSettings {
  readonly webhooks?: readonly (Filtered & Addressed & { readonly secretFile?: string | undefined })[] | undefined;
  readonly slack?: readonly (Filtered & { readonly urlFile: string })[] | undefined;
  readonly email?: readonly (Filtered & EmailSettings)[] | undefined;
}

interface EmailSettings {
  readonly host: string;
  readonly port?: number | undefined;
  readonly from: string;
  readonly to: readonly string[];
  readonly usernameFile?: string | undefined;
  readonly passwordFile?: string | undefined;
  readonly tls?: 'starttls' | 'implicit' | 'none' | undefined;
}

const submissionPort = 587;

/** Files with secrets are read when something is sent, not here. */
export function noticeTargets(settings: TargetSettings, runtime: Pick<Runtime, 'now'>): readonly NoticeTarget[] {
  const { webhooks = [], slack = [], email = [] } = settings;
  return distinct([
    ...webhooks.map(({ events, secretFile: key, ...where }) => ({
      ...{ name: `webhook ${shownHost(where)}`, wants: wanted(events) },
      send: webhookSender({ runtime, address: addressOf(where), ...(key !== undefined && { secret: secretFile(key) }) }),
    })),
    ...slack.map(({ events, urlFile }) => ({
      ...{ name: `slack ${urlFile}`, wants: wanted(events) },
      send: slackSender({ address: addressOf({ urlFile }) }),
    })),
    ...email.map(mailTarget),
  ]);
}

function mailTarget(settings: Filtered & EmailSettings): NoticeTarget {
  const { events, host, from, to, usernameFile, passwordFile, tls = 'starttls', port = submissionPort } = settings;
  const login =
    usernameFile === undefined || passwordFile === undefined
      ? {}
      : { login: { user: secretFile(usernameFile), password: secretFile(passwordFile) } };
  return { name: `email ${to.join(', ')}`, wants: wanted(events), send: emailSender({ host, port, from, to, tls, ...login }) };
}

/** The host of an address that stands in the configuration, else the file it is in. */
function shownHost({ url, urlFile }: Addressed): string {
  return url === undefined ? (urlFile ?? '') : hostOf(url);
}

function wanted(events: readonly string[] | undefined): (notice: SentNotice) => boolean {
  return notice => events === undefined || events.includes(groupOf(notice)) || events.includes(notice.event);
}

/** `webhook example.org`, `webhook example.org (2)`. */
function distinct(targets: readonly NoticeTarget[]): readonly NoticeTarget[] {
  const seen = new Map<string, number>();
  return targets.map(target => {
    const count = (seen.get(target.name) ?? 0) + 1;
    seen.set(target.name, count);
    return count === 1 ? target : { ...target, name: `${target.name} (${count})` };
  });
}
