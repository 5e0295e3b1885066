import { describe, expect, it } from 'vitest';
import { parseResticLine } from './restic-messages.ts';

describe('a line of restic', () => {
  it.each([
    [
      '{"message_type":"status","percent_done":0.5,"total_files":4,"files_done":2,"total_bytes":10,"bytes_done":5}',
      { type: 'status', files: 2, bytes: 5, totalBytes: 10 },
    ],
    [
      '{"message_type":"status","total_files":4,"files_restored":3,"total_bytes":10,"bytes_restored":7}',
      { type: 'status', files: 3, bytes: 7, totalBytes: 10 },
    ],
    ['{"message_type":"status"}', { type: 'status', files: 0, bytes: 0, totalBytes: 0 }],
    [
      '{"message_type":"error","error":{"message":"open /data/x: permission denied"},"during":"archival","item":"/data/x"}',
      { type: 'error', item: '/data/x', text: 'open /data/x: permission denied' },
    ],
    ['{"message_type":"error","error":"text"}', { type: 'error', item: '', text: 'text' }],
    ['{"message_type":"error","message":"pack 1 is damaged\\n"}', { type: 'error', item: '', text: 'pack 1 is damaged' }],
    ['{"message_type":"exit_error","code":12,"message":"Fatal: Fatal: wrong password"}', { type: 'exit', text: 'wrong password' }],
    ['{"message_type":"verbose_status","action":"restored"}', { type: 'other' }],
    [
      'Save(<data/1234>) returned error, retrying after 1.5s: dial tcp: connection refused',
      { type: 'retry', first: false, text: 'Save(<data/1234>): dial tcp: connection refused' },
    ],
    ['Stat(<config/>) returned error, retrying after 1.5s: x', { type: 'retry', first: true, text: 'Stat(<config/>): x' }],
    ['Save(<data/1234>) operation successful after 2 retries', { type: 'answered' }],
    ['unable to open cache', { type: 'text', text: 'unable to open cache' }],
    ['{"message_type":"sta', { type: 'text', text: '{"message_type":"sta' }],
    ['{"message_type":7}', { type: 'other' }],
  ])('%s', (line, message) => expect(parseResticLine(line)).toEqual(message));

  it('of a summary keeps its fields', () => {
    expect(parseResticLine('{"message_type":"summary","snapshot_id":"ab"}')).toMatchObject({
      type: 'summary',
      fields: { snapshot_id: 'ab' },
    });
  });
});
