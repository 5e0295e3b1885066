import { exitCodes, HoldfastError } from '../../domain/errors.ts';
import { moverSecrets, terminationLog } from '../../domain/mover.ts';
import type { CommandSpec } from '../command.ts';

interface MoverOptions {
  readonly secretsDir?: string;
  readonly resultFile?: string;
  readonly restic?: string;
  readonly temporaryDir?: string;
}

/** A store that is away for a moment is waited for; the service’s own limit on the pod is far above. */
const storePatienceMs = 180_000;

export const mover: CommandSpec<MoverOptions> = {
  name: 'mover',
  hidden: true,
  arguments: [{ term: '<request>', text: 'a MoverRequest, JSON' }],
  summary: 'Move the data of one volume, as the service asks in the pods that it makes',
  examples: [{ what: 'be the first consumer of a claim', line: `holdfast mover '{"action":"bind"}'` }],
  exits: { [exitCodes.ok]: 'done', [exitCodes.failed]: 'not done; the result says why' },
  uses: [],
  withoutSettings: true,
  flags: [
    { flags: '--secrets-dir <dir>', text: `folder of the secrets (default ${moverSecrets.dir})`, completes: 'directory' },
    { flags: '--result-file <file>', text: `takes the result (default ${terminationLog})`, completes: 'file' },
    { flags: '--restic <program>', text: 'the restic to run (default: that in PATH)', completes: 'file' },
    { flags: '--temporary-dir <dir>', text: 'for caches (default /tmp)', completes: 'directory' },
  ],
  outputs: ['json'],
  run: async call => {
    const [{ runMover }, { processEnvironment }] = await Promise.all([import('../../mover/run.ts'), import('../../config/environment.ts')]);
    const [request] = call.args;
    if (request === undefined) throw new HoldfastError('USAGE', 'a mover needs its request');
    const { secretsDir, resultFile, restic, temporaryDir } = call.options;
    const done = await runMover(request, {
      secretsDir: secretsDir ?? moverSecrets.dir,
      resultFile: resultFile ?? terminationLog,
      restic: restic ?? 'restic',
      environment: processEnvironment().variables,
      temporaryDir: temporaryDir ?? '/tmp',
      storePatienceMs,
      print: line => call.terminal.stdout.write(`${line}\n`),
      now: () => performance.now(),
      signal: call.signal,
    });
    return done ? exitCodes.ok : exitCodes.failed;
  },
};
