import type { SentNotice } from '../../src/observe/notice.ts';
import type { NoticeLog } from '../../src/observe/notify.ts';

/** A notice as a failed backup makes it. */
export function noticeOf(changes: Partial<SentNotice> = {}): SentNotice {
  return {
    ...{ id: '0123456789abcdef0123456789abcdef', cluster: 'prod', event: 'backup.failed', state: 'began', severity: 'error' },
    ...{ at: '2026-11-23T02:00:05.000Z', since: '2026-11-23T02:00:05.000Z', policy: 'platform', tier: 'daily' },
    ...{
      subject: '20261123T020000Z-backup-k3f9',
      what: 'a backup failed',
      why: 's3://backups does not answer',
      hint: 'check the endpoint',
    },
    ...changes,
  };
}

/** Keeps what is logged, as text. */
export function listeningLog(): NoticeLog & { readonly lines: string[]; text(): string } {
  const lines: string[] = [];
  const add = (level: string) => (fields: object, message: string) => {
    const shown = JSON.stringify(fields, (_, value) => (value instanceof Error ? { ...value, message: value.message } : value));
    lines.push(`${level} ${message} ${shown}`);
  };
  return { info: add('info'), warn: add('warn'), error: add('error'), lines, text: () => lines.join('\n') };
}
