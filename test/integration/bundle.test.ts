import { readdir, readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { openWebSocket } from '../../src/cluster/web-socket.ts';
import { mainFile } from '../helpers/command.ts';

const dir = dirname(mainFile);

async function files(): Promise<string[]> {
  return (await readdir(dir)).filter(name => name.endsWith('.js'));
}

describe('the program as it is shipped', () => {
  /** Each name of node:http is asked for its value then, and some load a second undici within Node.js. */
  it('imports node:http nowhere, and requires it', async () => {
    const texts = await Promise.all((await files()).map(async name => [name, await readFile(join(dir, name), 'utf8')] as const));
    expect(texts.filter(([, text]) => text.includes('require("node:http")')).length).toBeGreaterThan(0);
    expect(texts.filter(([, text]) => /(from|import\()\s*"(node:)?http"/.test(text)).map(([name]) => name)).toEqual([]);
  });

  it('opens WebSockets, with a part of undici that is left out elsewhere', async () => {
    const [part] = (await files()).filter(name => name.startsWith('web-socket-'));
    const program: { openWebSocket: typeof openWebSocket } = await import(join(dir, part!));
    const server = createServer();
    const upgraded = Promise.withResolvers<string | undefined>();
    server.on('upgrade', ({ headers }, socket) => {
      upgraded.resolve(headers['sec-websocket-protocol']);
      socket.destroy();
    });
    await new Promise<void>(done => server.listen(0, '127.0.0.1', done));
    try {
      const socket = program.openWebSocket(`ws://127.0.0.1:${(server.address() as AddressInfo).port}`, {
        protocols: ['v5.channel.k8s.io'],
      });
      const failed = new Promise(done => socket.addEventListener('error', done));
      expect(await upgraded.promise).toBe('v5.channel.k8s.io');
      await failed;
    } finally {
      server.close();
    }
  });
});
