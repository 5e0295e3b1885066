import { describe, expect, it } from 'vitest';
import { manualTime } from '../../test/helpers/manual-time.ts';
import { noticeOf } from '../../test/helpers/notices.ts';
import { noticeTargets } from './targets.ts';

const runtime = manualTime();

describe('targets', () => {
  it('have names that show hosts, files and mailboxes, each once, and no address', () => {
    const url = 'https://me:s3cr3t@hooks.example.org/s3cr3t?token=s3cr3t';
    const names = noticeTargets(
      {
        webhooks: [{ url }, { url }, { urlFile: '/etc/holdfast/hook' }],
        slack: [{ urlFile: '/etc/holdfast/slack' }],
        email: [{ host: 'mail.example.org', from: 'a@example.org', to: ['b@example.org', 'c@example.org'] }],
      },
      runtime,
    ).map(({ name }) => name);
    expect(names).toEqual([
      'webhook hooks.example.org',
      'webhook hooks.example.org (2)',
      'webhook /etc/holdfast/hook',
      'slack /etc/holdfast/slack',
      'email b@example.org, c@example.org',
    ]);
  });

  it('choose by group or by event, and take everything where nothing is chosen', () => {
    const notices = [
      noticeOf(),
      noticeOf({ event: 'backup.recovered', state: 'recovered' }),
      noticeOf({ event: 'objective.at-risk' }),
      noticeOf({ event: 'objective.breached', state: 'recovered' }),
      noticeOf({ event: 'schedule.missed', state: 'happened' }),
      noticeOf({ event: 'restore.ended', state: 'happened' }),
    ];
    const chosen = (events?: string[]) => {
      const [target] = noticeTargets({ slack: [{ urlFile: '/x', ...(events && { events }) }] }, runtime);
      return notices.map(notice => (target!.wants(notice) ? 'yes' : 'no'));
    };
    expect(chosen()).toEqual(Array(6).fill('yes'));
    expect(chosen(['failure'])).toEqual(['yes', 'no', 'no', 'no', 'no', 'no']);
    expect(chosen(['recovery'])).toEqual(['no', 'yes', 'no', 'yes', 'no', 'no']);
    expect(chosen(['overdue', 'objective-at-risk'])).toEqual(['no', 'no', 'yes', 'no', 'yes', 'no']);
    expect(chosen(['restore.ended'])).toEqual(['no', 'no', 'no', 'no', 'no', 'yes']);
    expect(chosen([])).toEqual(Array(6).fill('no'));
  });

  it('of nothing are none', () => {
    expect(noticeTargets({}, runtime)).toEqual([]);
  });
});
