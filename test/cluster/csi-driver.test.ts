import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { beforeEach, expect, test } from 'vitest';
import { binary } from './binaries.ts';
import { tempDir } from './temp-dir.ts';
import { describeWhereNode } from './with-node.ts';

const run = promisify(execFile);

/** Both in namespaces of their own, so that mounts and the driver end with the suite. */
const script = `
"$1" -data "$3/data" -endpoint "$3/csi.sock" -capacity 1099511627776 &
until [ -S "$3/csi.sock" ]; do sleep 0.05; done
"$2" --csi.endpoint "$3/csi.sock" --csi.stagingdir "$3/staging" --csi.mountdir "$3/target" \\
  --csi.testvolumeaccesstype "$4" --ginkgo.no-color`;

let dir: string;
beforeEach(async () => {
  dir = await tempDir('sanity');
});

describeWhereNode('the CSI driver of the tests passes the CSI project’s own suite', () => {
  test.each(['mount', 'block'])('for volumes of the access type %s', async type => {
    const programs = [await binary('csi-driver'), await binary('csi-sanity')];
    const alone = ['--mount', '--pid', '--fork', '--kill-child', '--mount-proc', '--propagation', 'private'];
    const { stdout } = await run('unshare', [...alone, '/bin/sh', '-c', script, 'sanity', ...programs, dir, type]).catch(thrown => {
      throw new Error((thrown as { stdout: string }).stdout, { cause: thrown });
    });
    const [, passed, failed] = /(\d+) Passed \| (\d+) Failed/.exec(stdout) ?? [];
    expect(Number(failed)).toBe(0);
    expect(Number(passed)).toBeGreaterThan(50);
    expect((await run('losetup', ['--list', '--noheadings', '--output', 'BACK-FILE'])).stdout).not.toContain(dir);
  });
});
