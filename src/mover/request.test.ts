import { describe, expect, it } from 'vitest';
import type { MoverRequest } from '../domain/mover.ts';
import { MoverFault } from './fault.ts';
import { parseRequest } from './request.ts';

const common = {
  repository: 's3:http://minio:9000/backups/volumes/agents/workspace',
  options: ['s3.bucket-lookup=path'],
  tuning: { compression: 'auto', connections: 16, readConcurrency: 4, packSize: 16 },
} as const;
const backup: MoverRequest = {
  ...common,
  ...{ action: 'backup', mode: 'Filesystem', path: '/data', host: 'agents/workspace', tags: ['set=1'], time: '2026-11-23T02:00:00.000Z' },
};
const restore: MoverRequest = {
  ...common,
  ...{ action: 'restore', mode: 'Filesystem', path: '/data', snapshot: 'a'.repeat(64), include: [], deleteOthers: false },
};

describe('a request', () => {
  it.each<[string, MoverRequest]>([
    ['backup', backup],
    ['restore', { ...restore, include: ['/src/main.ts', '/a b/..c'] }],
    ['forget', { ...common, action: 'forget', snapshots: ['b'.repeat(64)], prune: true }],
    ['check', { ...common, action: 'check', subset: '3/12' }],
    ['bind', { action: 'bind' }],
  ])('to %s is taken as it is', (_, request) => expect(parseRequest(JSON.stringify(request))).toEqual(request));

  it.each<[string, unknown]>([
    ['text that is no JSON', undefined],
    ['an unknown action', { action: 'format' }],
    ['a repository that would be an option', { ...backup, repository: '--password-command=id' }],
    ['an option in place of an option’s value', { ...backup, options: ['--insecure-tls'] }],
    ['a host that would be an option', { ...backup, host: '-x' }],
    ['a relative path', { ...backup, path: 'data' }],
    ['a path out of the volume', { ...restore, include: ['/src/../../etc/shadow'] }],
    ['a snapshot by a short name', { ...restore, snapshot: 'latest' }],
    ['a snapshot with a folder', { ...restore, snapshot: `${'a'.repeat(64)}:/etc` }],
    ['files of a block volume', { ...restore, mode: 'Block', include: ['/x'] }],
    ['some files, and nothing but them', { ...restore, include: ['/x'], deleteOthers: true }],
    ['packs beyond what restic makes', { ...backup, tuning: { ...common.tuning, packSize: 1_000 } }],
    ['no time', { ...backup, time: 'yesterday' }],
  ])('with %s is refused', (_, request) => {
    expect(() => parseRequest(request === undefined ? '{' : JSON.stringify(request))).toThrow(MoverFault);
  });
});
