import { spawn } from 'node:child_process';
import { readdir, readFile } from 'node:fs/promises';
import type { MoverRequest } from '../../src/domain/mover.ts';
import { mainFile } from './command.ts';
import type { TestMover } from './mover.ts';

/** `holdfast mover` as a process, in a group of its own with the restic that it starts, as all of a pod ends together. */
export interface MoverProcess {
  readonly pid: number;
  /** Exit code, or the signal that ended it. */
  readonly exited: Promise<number | NodeJS.Signals>;
  output(): string;
  /** To the mover alone, or to all of its pod. */
  signal(name: NodeJS.Signals, whom: 'mover' | 'pod'): void;
}

export function startMoverProcess(mover: TestMover, request: MoverRequest): MoverProcess {
  const { secretsDir, resultFile, temporaryDir, restic } = mover;
  const flags = ['--secrets-dir', secretsDir, '--result-file', resultFile, '--temporary-dir', temporaryDir, '--restic', restic];
  const child = spawn(process.execPath, [mainFile, 'mover', JSON.stringify(request), ...flags], {
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { PATH: process.env['PATH'] },
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      output += text;
    });
  }
  const exited = new Promise<number | NodeJS.Signals>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code, signal) => resolve(code ?? signal ?? -1));
  });
  const pid = child.pid!;
  return {
    pid,
    exited,
    output: () => output,
    signal: (name, whom) => {
      try {
        process.kill(whom === 'pod' ? -pid : pid, name);
      } catch (thrown) {
        if ((thrown as NodeJS.ErrnoException).code !== 'ESRCH') throw thrown;
      }
    },
  };
}

export interface SeenProcess {
  readonly arguments: string;
  readonly environment: string;
}

/** All processes of the group, as everybody on the node may see them. */
export async function processesOf(group: number): Promise<Map<number, SeenProcess>> {
  const found = new Map<number, SeenProcess>();
  for (const name of await readdir('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    const read = (file: string) => readFile(`/proc/${name}/${file}`, 'utf8').catch(() => '');
    const [, , pgrp] = (await read('stat')).replace(/^.*\) /, '').split(' ');
    if (Number(pgrp) === group) found.set(Number(name), { arguments: await read('cmdline'), environment: await read('environ') });
  }
  return found;
}
