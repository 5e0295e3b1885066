import { exitCodes } from '../../domain/errors.ts';
import type { CommandSpec } from '../command.ts';
import { present } from '../output.ts';

export const configCheck: CommandSpec = {
  name: 'check',
  arguments: [{ term: '<file>', text: 'the YAML file' }],
  summary: 'Say all that is wrong with a configuration file, without using it',
  details:
    'Names, values and schedules are checked, and whether policies can keep what they promise. Neither flags nor the environment count, and nothing is connected to.',
  examples: [
    { what: 'before a change is rolled out', line: 'holdfast config check holdfast.yaml' },
    { what: 'for a CI system', line: 'holdfast config check deploy/holdfast.yaml -o json' },
  ],
  exits: {
    [exitCodes.ok]: 'the file is valid; there may be warnings',
    [exitCodes.usage]: 'the file is not valid, or cannot be read',
  },
  uses: ['output', 'general'],
  outputs: ['table', 'json', 'yaml', 'name'],
  run: async call => {
    const [file = ''] = call.args;
    const [{ environment }, { readChecked }, { checkLines }] = await Promise.all([
      call.config(),
      import('../read-config.ts'),
      import('../render/config-check.ts'),
    ]);
    const { config, problems } = await readChecked({ ...environment, variables: {} }, { file });
    const warnings = config?.warnings ?? [];
    await present(call, {
      document: { file, valid: config !== undefined, problems, warnings },
      lines: () => checkLines({ file, problems, warnings, policies: config?.policies ?? [] }, call.style),
      names: () => problems.map(problem => problem.message),
    });
    return config === undefined ? exitCodes.usage : exitCodes.ok;
  },
};
