/**
 * What it costs at least to read a cluster: unpaged lists, bytes counted and thrown away. A process of its own:
 * `node bare-list.ts <kubeconfig> <file with a list's path a line> <how many at a time>` prints `{"bytes", "seconds"}`.
 */
import { readFile } from 'node:fs/promises';
import { openApi } from './api.ts';

const [, , kubeconfig = '', pathsFile = '', width = '1'] = process.argv;
const paths = (await readFile(pathsFile, 'utf8')).split('\n').filter(path => path !== '');
const api = await openApi(kubeconfig, Number(width));
const started = performance.now();
let bytes = 0;
let next = 0;
const worker = async () => {
  while (next < paths.length) {
    const path = paths[next++]!;
    const { statusCode, body } = await api.pool.request({ method: 'GET', path, headers: api.headers });
    if (statusCode !== 200) throw new Error(`GET ${path}: ${statusCode} ${await body.text()}`);
    for await (const chunk of body) bytes += (chunk as Buffer).length;
  }
};
await Promise.all(Array.from({ length: Number(width) }, worker));
console.log(JSON.stringify({ bytes, seconds: (performance.now() - started) / 1000 }));
await api.close();
