import { exitCodes } from '../../domain/errors.ts';
import { recipientFlags, signingKeyFlag } from '../backup-flags.ts';
import type { CommandSpec } from '../command.ts';
import { advise, present, warn } from '../output.ts';

export const init: CommandSpec = {
  name: 'init',
  summary: 'Make an empty location a repository',
  details:
    'A repository is bound to its recipients and to the key that signs for it. With one recipient, losing one file loses every backup: two or more are advised.',
  examples: [
    { what: 'in a folder, with the keys made by keys generate', line: 'holdfast init --location file:///backups --keys-dir ./keys' },
    {
      what: 'in an S3 bucket of a server other than AWS',
      line: 'holdfast init --location s3://backups/platform --s3-endpoint https://minio.example:9000 --keys-dir ./keys',
    },
    {
      what: 'with keys named one by one',
      line: 'holdfast init --location file:///backups --recipients-file team.txt --signing-public-key signing.pub',
    },
  ],
  exits: {
    [exitCodes.ok]: 'the repository was made',
    [exitCodes.failed]: 'the location cannot be reached or written, or its server would overwrite what is there',
    [exitCodes.usage]: 'a wrong flag or setting, no recipient, or the location already holds a repository; nothing was overwritten',
    [exitCodes.notFound]: 'the bucket does not exist',
  },
  uses: ['repository', 'keys', 'output', 'general'],
  flags: [...recipientFlags, signingKeyFlag],
  outputs: ['table', 'json', 'yaml', 'name'],
  run: async call => {
    const [app, { settings }, { repositoryLines }] = await Promise.all([call.app(), call.config(), import('../render/repository.ts')]);
    const plaintext = settings.insecurePlaintext === true;
    const location = await app.location();
    if (plaintext) warn(call, `--insecure-plaintext: every backup in ${location} will lie in the clear, Secrets too. This is for tests.`);
    const { info } = await app.init(call.signal);
    await present(call, {
      document: { location, ...info },
      lines: () => repositoryLines(location, info, call.style),
      names: () => [info.id],
    });
    if (info.recipientFingerprints.length === 1) warn(call, 'there is one recipient only: if its identity is lost, so is every backup');
    if (call.format === 'table') advise(call, '\nNext: holdfast backup create');
    return exitCodes.ok;
  },
};
