import type { Dispatcher } from 'undici';
import { httpCall } from './http-call.ts';
import { linesOf, type SentNotice } from './notice.ts';
import type { SendNotice } from './notify.ts';
import type { ReadSecret } from './secret-file.ts';

export interface SlackOptions {
  /** Of an incoming webhook: a secret. */
  readonly address: ReadSecret;
  readonly timeoutMs?: number;
  readonly dispatcher?: Dispatcher;
}

/** Characters of one message; Slack cuts longer ones. */
const longestText = 3_000;

/** Posts each notice to a Slack channel. */
export function slackSender({ address, ...call }: SlackOptions): SendNotice {
  return async (notice, signal) => {
    const headers = { 'content-type': 'application/json' };
    await httpCall({ ...call, method: 'POST', url: await address(signal), headers, body: JSON.stringify(slackBody(notice)) }, signal);
  };
}

const icons = { info: ':white_check_mark:', warning: ':warning:', error: ':rotating_light:' } as const satisfies Record<
  SentNotice['severity'],
  string
>;

/** What comes from elsewhere can name no channel or person: blocks are plain text, and what is none is escaped. */
export function slackBody(notice: SentNotice): { readonly text: string; readonly blocks: readonly unknown[] } {
  const [headline = '', ...rest] = linesOf(notice);
  const plain = (text: string) => ({ type: 'plain_text', text: text.slice(0, longestText), emoji: true });
  return {
    // What notifications of the desktop show.
    text: escaped(headline).slice(0, longestText),
    blocks: [
      { type: 'section', text: plain(`${icons[notice.severity]} ${headline}`) },
      { type: 'section', text: plain(rest.join('\n')) },
    ],
  };
}

function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}
