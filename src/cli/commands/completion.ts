import { exitCodes } from '../../domain/errors.ts';
import type { CommandSpec } from '../command.ts';
import type { Place } from '../completion/places.ts';

const shells = ['bash', 'zsh', 'fish'] as const;

/** A script for a shell, made from the tree of commands; it needs nothing of Holdfast when it runs. */
const scripts = {
  bash: async places => (await import('../completion/bash.ts')).bashScript(places),
  zsh: async places => (await import('../completion/zsh.ts')).zshScript(places),
  fish: async places => (await import('../completion/fish.ts')).fishScript(places),
} as const satisfies Record<(typeof shells)[number], (places: readonly Place[]) => Promise<string>>;

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
    const [{ placesOf }, { tree }] = await Promise.all([import('../completion/places.ts'), import('../tree.ts')]);
    const shell = shells.find(name => name === call.args[0]) ?? 'bash';
    call.terminal.stdout.write(await scripts[shell](placesOf(tree)));
    return exitCodes.ok;
  },
};
