import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { cut, type FaultyServer, refuse, startFaultyServer } from '../../test/contract/cluster-api-faults.ts';
import type { ResourceKind } from '../domain/resource.ts';

const kind: ResourceKind = {
  group: '',
  version: 'v1',
  resource: 'configmaps',
  kind: 'ConfigMap',
  namespaced: true,
  verbs: [],
  subresources: [],
};

let server: FaultyServer;

beforeEach(async () => {
  server = await startFaultyServer();
});
afterEach(() => server.close());

async function watch(seen: string[] = [], more: (count: number) => boolean = () => true): Promise<string[]> {
  await server.open().watch(kind, {
    revision: '5',
    timeoutSeconds: 9,
    namespace: 'x',
    labelSelector: 'a=b',
    onEvent: ({ type, object }) => more(seen.push(`${type} ${Buffer.from(object).toString('utf8')}`)),
  });
  return seen;
}

const event = (type: string, object: string) => `{"type":"${type}","object":${object}}\n`;

describe('watch', () => {
  it('asks for changes after a revision, with bookmarks, for a bounded time', async () => {
    server.answer((_request, response) => response.end());
    await watch();
    expect(server.requests).toEqual([
      'GET /api/v1/namespaces/x/configmaps?watch=true&allowWatchBookmarks=true&resourceVersion=5&timeoutSeconds=9&labelSelector=a%3Db',
    ]);
  });

  it('gives the objects’ exact bytes, whatever the chunks they come in', async () => {
    const object = '{"kind":"ConfigMap","data":{"n":12345678901234567890,"text":"ä}\\"{\\n"}}';
    const text = Buffer.from(event('ADDED', object) + event('MODIFIED', object) + event('BOOKMARK', '{}') + event('DELETED', object));
    server.answer((_request, response) => {
      let sent = 0;
      const next = () => {
        if (sent >= text.length) return void response.end();
        response.write(text.subarray(sent, sent + 7), () => setImmediate(next));
        sent += 7;
      };
      next();
    });
    expect(await watch()).toEqual([`ADDED ${object}`, `MODIFIED ${object}`, 'BOOKMARK {}', `DELETED ${object}`]);
  });

  it('ends when it is told to, and reads no further', async () => {
    let closed = () => {};
    const gone = new Promise<void>(resolve => {
      closed = resolve;
    });
    server.answer((_request, response) => {
      response.write(event('ADDED', '{"n":1}') + event('ADDED', '{"n":2}') + event('ADDED', '{"n":3}'));
      response.on('close', closed);
    });
    expect(await watch([], count => count < 2)).toEqual(['ADDED {"n":1}', 'ADDED {"n":2}']);
    await gone;
  });

  it('turns an ERROR event into an error with the server’s words', async () => {
    const status = '{"kind":"Status","apiVersion":"v1","message":"too old resource version: 5 (900)","reason":"Expired","code":410}';
    server.answer((_request, response) => response.end(event('ADDED', '{}') + event('ERROR', status)));
    await expect(watch()).rejects.toMatchObject({
      code: 'CLUSTER_EXPIRED',
      message: expect.stringContaining('too old resource version: 5 (900)'),
    });
  });

  it('that is refused with 410 is CLUSTER_EXPIRED as well', async () => {
    server.answer((_request, response) => refuse(response, 410, 'Expired', 'too old'));
    await expect(watch()).rejects.toMatchObject({ code: 'CLUSTER_EXPIRED' });
  });

  it('is made again when it was cut before the first event, but never delivers an event twice', async () => {
    server.answer((_request, response, before) => (before === 0 ? cut(response, '{"type":"AD') : cut(response, event('ADDED', '{"n":1}'))));
    const seen: string[] = [];
    const expected = { code: 'CLUSTER_UNREACHABLE', message: expect.stringContaining('after 1 events') };
    await expect(watch(seen)).rejects.toMatchObject(expected);
    expect(seen).toEqual(['ADDED {"n":1}']);
    expect(server.requests).toHaveLength(2);
  });

  it.each(['<html>\n', '{"type":"ADDED"}\n', '{"type":"ADDED","object":{}\n', '{"type":"ODD","object":{}}\n'])(
    'refuses %j as an event',
    async line => {
      server.answer((_request, response) => response.end(line));
      await expect(watch()).rejects.toMatchObject({ code: 'CLUSTER_ERROR', message: expect.stringContaining('no event') });
    },
  );
});
