import { exitCodes } from '../../domain/errors.ts';
import type { CommandSpec } from '../command.ts';
import { present, warn } from '../output.ts';

export const configView: CommandSpec = {
  name: 'view',
  summary: 'Print every setting in force and where it came from',
  details:
    'A setting comes from a flag, from the environment, from a line of the file named by --config or HOLDFAST_CONFIG, or is a default. Policies are told field by field. Secrets are never part of it: settings name the files that hold them.',
  examples: [
    { what: 'what would the service do with this file?', line: 'holdfast config view --config holdfast.yaml' },
    { what: 'only what somebody has set', line: 'holdfast config view -o json | jq \'.settings[] | select(.origin != "default")\'' },
  ],
  exits: { [exitCodes.ok]: 'printed' },
  uses: ['repository', 'keys', 'identity', 'cluster', 'output', 'general'],
  outputs: ['table', 'yaml', 'json'],
  run: async call => {
    const [config, { settingsInForce }, { settingTable }] = await Promise.all([
      call.config(),
      import('../../config/view.ts'),
      import('../settings-in-force.ts'),
    ]);
    const settings = settingsInForce(config);
    await present(call, {
      document: { ...(config.file === undefined ? {} : { file: config.file }), settings, warnings: config.warnings },
      lines: () => settingTable(settings, call.style, call.options.headers),
    });
    if (call.format === 'table') for (const warning of config.warnings) warn(call, warning);
    return exitCodes.ok;
  },
};
