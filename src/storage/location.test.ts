import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseLocation, printable } from './location.ts';

const invalid = (message: RegExp) => expect.objectContaining({ code: 'CONFIG_INVALID', message: expect.stringMatching(message) });

describe('a location', () => {
  it.each([
    ['/backups', { kind: 'file', path: '/backups' }],
    ['  /backups/  ', { kind: 'file', path: '/backups' }],
    ['./backups', { kind: 'file', path: '/here/backups' }],
    ['backups/../other', { kind: 'file', path: '/here/other' }],
    ['file:///backups/a%20b', { kind: 'file', path: '/backups/a b' }],
    ['s3://bucket', { kind: 's3', bucket: 'bucket', prefix: '' }],
    ['s3://bucket/', { kind: 's3', bucket: 'bucket', prefix: '' }],
    ['s3://my.bucket/a/b%20c/', { kind: 's3', bucket: 'my.bucket', prefix: 'a/b c' }],
    ['s3://bucket/p?region=eu-central-1', { kind: 's3', bucket: 'bucket', prefix: 'p', region: 'eu-central-1' }],
    [
      's3://bucket/p?endpoint=http://minio.local:9000&region=r&pathStyle=true',
      { kind: 's3', bucket: 'bucket', prefix: 'p', endpoint: 'http://minio.local:9000', region: 'r', forcePathStyle: true },
    ],
    [
      's3://bucket?endpoint=https%3A%2F%2Fs3.local%2F&pathStyle=false',
      { kind: 's3', bucket: 'bucket', prefix: '', endpoint: 'https://s3.local', forcePathStyle: false },
    ],
  ])('is read from %j', (text, location) => {
    expect(parseLocation(text, '/here')).toEqual(location);
  });

  it.each([
    ['', /it is empty/],
    ['gs://bucket', /gs: is no kind of location/],
    ['https://s3.amazonaws.com/bucket', /https: is no kind of location/],
    ['file://host/path', /three slashes/],
    ['file:/path', /three slashes/],
    ['file:///a?b=c', /no parameters/],
    ['s3:bucket', /no bucket name/],
    ['s3:///prefix', /no bucket name/],
    ['s3://b', /no bucket name/],
    ['s3://bucket:9000/prefix', /port belongs to the endpoint/],
    ['s3://bucket/a//b', /prefix after the bucket/],
    ['s3://bucket/%00', /prefix after the bucket/],
    ['s3://bucket/%zz', /prefix after the bucket/],
    ['s3://bucket?endpont=http://x', /endpont is no parameter/],
    ['s3://bucket?endpoint=minio:9000', /endpoint is no http/],
    ['s3://bucket?endpoint=http://host/path', /endpoint is no http/],
    ['s3://bucket?endpoint=', /endpoint is no http/],
    ['s3://bucket?pathStyle=yes', /pathStyle is true or false/],
    ['s3://bucket#x', /has a # part/],
  ])('is refused as %j', (text, message) => {
    expect(() => parseLocation(text, '/here')).toThrow(invalid(message));
  });

  it.each(['s3://AKIAUSER:hunter22@bucket/p', 's3://AKIAUSER@bucket', 's3://bucket?endpoint=http://AKIAUSER:hunter22@host'])(
    'refuses credentials and does not repeat them: %j',
    text => {
      expect(() => parseLocation(text)).toThrow(invalid(/credentials do not belong/));
      expect(() => parseLocation(text)).not.toThrow(/hunter22|AKIAUSER/);
    },
  );

  it('is the same again after it was printed', () => {
    const name = fc.stringMatching(/^[a-z0-9]{3,20}$/);
    const unit = fc.constantFrom('a', 'b', '.', ' ', '%', '+', '&', '?', '#', '=', ':', '@', '"', 'ä', '日', '😀');
    const segment = fc.string({ unit, minLength: 1, maxLength: 10 }).filter(text => text !== '.' && text !== '..');
    const s3 = fc.record(
      {
        kind: fc.constant('s3' as const),
        bucket: name,
        prefix: fc.array(segment, { maxLength: 3 }).map(parts => parts.join('/')),
        endpoint: fc.constantFrom('http://127.0.0.1:9000', 'https://s3.example'),
        region: name,
        forcePathStyle: fc.boolean(),
      },
      { requiredKeys: ['kind', 'bucket', 'prefix'] },
    );
    const file = fc.array(segment, { maxLength: 4 }).map(parts => ({ kind: 'file' as const, path: `/${parts.join('/')}` }));
    fc.assert(
      fc.property(fc.oneof(s3, file), location => {
        expect(parseLocation(printable(location))).toEqual(location);
      }),
    );
  });

  it('prints as a person would write it', () => {
    const text = 's3://bucket/a/b?endpoint=http://127.0.0.1:9000&region=us-east-1&pathStyle=true';
    expect(printable(parseLocation(text))).toBe(text);
    expect(printable({ kind: 'file', path: '/backups' })).toBe('file:///backups');
  });
});
