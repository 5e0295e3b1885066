import type { FlagValueKind, Place, PlaceFlag } from './places.ts';

/** A `complete` line for every command and flag. */
export function fishScript(places: readonly Place[]): string {
  const lines = places.flatMap(place => {
    const start = `complete -c holdfast -n ${quoted(condition(place))}`;
    return [
      ...place.commands.map(({ name, text }) => `${start} -a ${name} -d ${quoted(text)}`),
      ...place.values.map(value => `${start} -a ${quoted(value)}`),
      ...place.flags.map(flag => `${start}${flagWords(flag)} -d ${quoted(flag.text)}`),
    ];
  });
  return `${['# fish completion for holdfast', 'complete -c holdfast -f', ...lines].join('\n')}\n`;
}

function condition({ words, commands }: Place): string {
  if (words === '') return '__fish_use_subcommand';
  const seen = words.split(' ').map(word => `__fish_seen_subcommand_from ${word}`);
  const notYet = commands.length === 0 ? [] : [`not __fish_seen_subcommand_from ${commands.map(command => command.name).join(' ')}`];
  return [...seen, ...notYet].join('; and ');
}

function flagWords({ names, value }: PlaceFlag): string {
  const words = names.map(name => (name.startsWith('--') ? ` -l ${name.slice(2)}` : ` -s ${name.slice(1)}`));
  return words.join('') + valueWords(value);
}

function valueWords(value: FlagValueKind): string {
  if (value === 'none') return '';
  if (value === 'any') return ' -x';
  if (value === 'file') return ' -r -F';
  if (value === 'directory') return " -x -a '(__fish_complete_directories)'";
  return ` -x -a ${quoted(value.join(' '))}`;
}

function quoted(text: string): string {
  return `'${text.replace(/[\\']/g, '\\$&')}'`;
}
