import { describe, expect, it } from 'vitest';
import type { MoverAction, MoverFailure } from '../domain/mover.ts';
import { faultOf } from './failures.ts';
import type { ResticEnd } from './restic.ts';

const quiet: ResticEnd = { code: 1, summary: {}, exitText: '', items: [], itemCount: 0, trouble: [], unanswered: false };
const files = (count: number, text: string) => ({
  items: Array.from({ length: Math.min(count, 20) }, (_, i) => ({ item: `/data/file-${i}`, text })),
  itemCount: count,
});

describe('a run of restic that failed', () => {
  it.each<[string, Partial<ResticEnd>, MoverAction, MoverFailure]>([
    ['a wrong password', { code: 12, exitText: 'wrong password or no key found' }, 'backup', 'wrong-password'],
    ['a lock', { code: 11, exitText: 'repository is already locked' }, 'backup', 'locked'],
    ['files that were not read', { code: 3, ...files(2, 'permission denied') }, 'backup', 'incomplete'],
    ['a broken disk', { code: 3, ...files(2, 'read /data/x: input/output error') }, 'backup', 'volume-unreadable'],
    ['a full volume', { ...files(1, 'write /data/x: no space left on device') }, 'restore', 'volume-full'],
    ['a full folder for temporary files', { exitText: 'write /tmp/x: no space left on device' }, 'backup', 'failed'],
    [
      'a refused connection',
      { exitText: 'unable to save snapshot: dial tcp 10.0.0.1:9000: connect: connection refused' },
      'backup',
      'store-unreachable',
    ],
    ['a store that never answered', { code: 130, exitText: 'context canceled', unanswered: true }, 'backup', 'store-unreachable'],
    ['no right', { exitText: 'client.PutObject: Access Denied.' }, 'backup', 'store-forbidden'],
    [
      'no right, said while trying again',
      { code: 130, exitText: 'context canceled', trouble: ['Save(<data/1>): The provided token has expired.'] },
      'backup',
      'store-forbidden',
    ],
    [
      'a bucket that is gone',
      { exitText: 'unable to open config file: The specified bucket does not exist' },
      'restore',
      'store-unreachable',
    ],
    ['an unknown snapshot', { exitText: 'failed to find snapshot: no matching ID found for prefix "ab"' }, 'restore', 'snapshot-missing'],
    [
      'no repository to restore from',
      { code: 10, exitText: 'repository does not exist: unable to open config file' },
      'restore',
      'snapshot-missing',
    ],
    [
      'no repository after it was made',
      { code: 10, exitText: 'repository does not exist: unable to open config file' },
      'backup',
      'repository-damaged',
    ],
    [
      'damage',
      { ...files(1, 'decrypting blob <data/12> from 34 failed: ciphertext verification failed') },
      'restore',
      'repository-damaged',
    ],
    [
      'a device’s reader',
      { exitText: 'failed to save /volume.img: Fatal: command failed: exit status 1', trouble: ['subprocess /node: EIO: i/o error, read'] },
      'backup',
      'volume-unreadable',
    ],
    ['a signal', { code: 130, exitText: 'context canceled' }, 'backup', 'interrupted'],
    ['want of memory', { code: -1 }, 'backup', 'failed'],
  ])('for %s', (_, end, action, code) => expect(faultOf({ ...quiet, ...end }, action).code).toBe(code));

  it('names the first files and how many more there were', () => {
    const { message } = faultOf({ ...quiet, code: 3, ...files(1_000, 'permission denied') }, 'backup');
    expect(message).toBe(`${[0, 1, 2, 3, 4].map(i => `/data/file-${i}: permission denied`).join('; ')}; and 995 more`);
  });

  it('always says something', () => {
    expect(faultOf({ ...quiet, code: -1 }, 'backup').message).toContain('memory');
    expect(faultOf({ ...quiet, code: 7 }, 'backup').message).toContain('exit code 7');
  });
});
