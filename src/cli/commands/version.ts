import { exitCodes } from '../../domain/errors.ts';
import type { CommandSpec } from '../command.ts';
import { present } from '../output.ts';

export const version: CommandSpec = {
  name: 'version',
  summary: 'Print the version of Holdfast, of its repository format and of Node',
  examples: [
    { what: 'for a bug report', line: 'holdfast version' },
    { what: 'for a script', line: 'holdfast version -o name' },
  ],
  exits: { [exitCodes.ok]: 'always' },
  uses: ['output'],
  outputs: ['table', 'json', 'yaml', 'name'],
  run: async call => {
    const { programVersion } = await import('../../config/version.ts');
    const facts = { version: programVersion(), formatVersion: 1, node: process.version, platform: `${process.platform}/${process.arch}` };
    await present(call, {
      document: facts,
      lines: () => [`holdfast ${facts.version} (repository format ${facts.formatVersion}, node ${facts.node}, ${facts.platform})`],
      names: () => [facts.version],
    });
    return exitCodes.ok;
  },
};
