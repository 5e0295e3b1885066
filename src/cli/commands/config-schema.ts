import { exitCodes } from '../../domain/errors.ts';
import type { CommandSpec } from '../command.ts';
import { present } from '../output.ts';

export const configSchema: CommandSpec = {
  name: 'schema',
  summary: 'Print what a configuration file may say, as JSON Schema or as a table',
  details:
    'Editors complete and check a file that names the schema in its first line: # yaml-language-server: $schema=holdfast.schema.json',
  examples: [
    { what: 'for an editor', line: 'holdfast config schema > holdfast.schema.json' },
    { what: 'to look something up', line: 'holdfast config schema -o table | grep leaderElection' },
  ],
  exits: { [exitCodes.ok]: 'printed' },
  uses: ['output'],
  outputs: ['json', 'yaml', 'table', 'name'],
  run: async call => {
    const [{ configJsonSchema }, { settingReference }, { referenceTable }] = await Promise.all([
      import('../../config/json-schema.ts'),
      import('../../config/reference.ts'),
      import('../render/config-schema.ts'),
    ]);
    const facts = settingReference();
    await present(call, {
      document: configJsonSchema(),
      lines: () => referenceTable(facts, call.style, call.options.headers),
      names: () => facts.map(fact => fact.setting),
    });
    return exitCodes.ok;
  },
};
