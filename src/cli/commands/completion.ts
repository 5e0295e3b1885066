import { exitCodes } from '../../domain/errors.ts';
import type { CommandSpec } from '../command.ts';

const shells = ['bash', 'zsh', 'fish'] as const;

export const completion: CommandSpec = {
  name: 'completion',
  arguments: [{ term: '<shell>', text: shells.join(', '), choices: shells }],
  summary: 'Print a script that completes commands, flags and their values',
  examples: [
    { what: 'bash, for good', line: 'holdfast completion bash > ~/.local/share/bash-completion/completions/holdfast' },
    { what: 'zsh, into a folder that is in $fpath', line: 'holdfast completion zsh > ~/.zfunc/_holdfast' },
    { what: 'fish', line: 'holdfast completion fish > ~/.config/fish/completions/holdfast.fish' },
  ],
  exits: { [exitCodes.ok]: 'the script was printed' },
  uses: [],
  outputs: ['table'],
  run: async call => {
    const [{ completionScript }, { tree }] = await Promise.all([import('../completion.ts'), import('../tree.ts')]);
    const shell = shells.find(name => name === call.args[0]) ?? 'bash';
    call.terminal.stdout.write(completionScript(shell, tree));
    return exitCodes.ok;
  },
};
