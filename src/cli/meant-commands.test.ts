import { describe, expect, it } from 'vitest';
import { HoldfastError } from '../domain/errors.ts';
import { meantCommands } from './meant-commands.ts';

const [mine, theirs] = ['20261121T020000Z-daily-aaaa', '20261120T020000Z-before-the-upgrade-bbbb'];
const ambiguous = new HoldfastError('BACKUP_AMBIGUOUS', `latest may mean more than one backup: ${mine} (of ${mine}); ${theirs}`);

describe('the error that a backup is ambiguous', () => {
  it('has the line for each backup that may be meant, as a shell takes it', () => {
    expect(meantCommands(ambiguous, ['restore', 'plan', 'latest', '-n', 'team-*', "--identity=it's mine"])).toEqual([
      `holdfast restore plan ${mine} -n 'team-*' '--identity=it'\\''s mine'`,
      `holdfast restore plan ${theirs} -n 'team-*' '--identity=it'\\''s mine'`,
    ]);
  });

  it('has none where the line does not name what is ambiguous, nor has another error', () => {
    expect(meantCommands(ambiguous, ['restore', 'plan'])).toEqual([]);
    const month = new HoldfastError('BACKUP_AMBIGUOUS', '2026-11 is a whole month; name a day, such as 2026-11-01');
    expect(meantCommands(month, ['verify', '2026-11'])).toEqual([]);
    const missing = new HoldfastError('BACKUP_NOT_FOUND', `latest may be ${mine}`);
    expect(meantCommands(missing, ['verify', 'latest'])).toEqual([]);
  });
});
