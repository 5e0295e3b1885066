import { join } from 'node:path';
import { exitCodes } from '../../domain/errors.ts';
import type { CommandSpec } from '../command.ts';
import { present } from '../output.ts';

interface Options {
  readonly out: string;
}

export const keysGenerate: CommandSpec<Options> = {
  name: 'generate',
  summary: 'Make two identities, their recipients and a signing key',
  details:
    'An identity opens backups, its recipient only seals them. There are two identities, so that losing one does not lose the backups: keep them apart from each other, and neither on the cluster. Files that exist are never overwritten.',
  examples: [
    { what: 'keys for a new repository', line: 'holdfast keys generate --out ./keys' },
    { what: 'then make the repository with them', line: 'holdfast init --location s3://backups/platform --keys-dir ./keys' },
  ],
  exits: {
    [exitCodes.ok]: 'all files were written',
    [exitCodes.usage]: 'one of the files exists or cannot be written; nothing was overwritten',
  },
  uses: ['output', 'general'],
  flags: [{ flags: '--out <dir>', text: 'folder for the files; it is made if it is not there (default: .)', completes: 'directory' }],
  outputs: ['table', 'json', 'yaml', 'name'],
  run: async call => {
    const [{ generateKeyFiles }, { keyLines }] = await Promise.all([import('../generate-keys.ts'), import('../render/keys.ts')]);
    const { environment } = await call.config();
    const { resolve } = await import('node:path');
    const directory = resolve(environment.directory, call.options.out ?? '.');
    const keys = await generateKeyFiles(directory);
    await present(call, {
      document: { directory, ...keys },
      lines: () => keyLines(keys, directory, call.style),
      names: () => Object.values(keys.files).map(name => join(directory, name)),
    });
    return exitCodes.ok;
  },
};
