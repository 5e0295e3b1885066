import type { FlagValueKind, Place } from './places.ts';

/**
 * A bash function that finds the command among the words of the line, passing over flags and their values, and then offers what may follow
 * the word before the cursor.
 */
export function bashScript(places: readonly Place[]): string {
  const valued = new Set(places.flatMap(place => place.flags.filter(flag => flag.value !== 'none').flatMap(flag => flag.names)));
  const branches = places.filter(place => place.commands.length > 0 && place.words !== '').map(place => place.words);
  const lines = [
    '# bash completion for holdfast',
    '_holdfast() {',
    `  local cur=\${COMP_WORDS[COMP_CWORD]} prev=\${COMP_WORDS[COMP_CWORD-1]} at="" words="" i word`,
    '  COMPREPLY=()',
    '  for ((i = 1; i < COMP_CWORD; i++)); do',
    `    word=\${COMP_WORDS[i]}`,
    '    case "$word" in',
    `    ${[...valued].join('|')}) ((i++)) ;;`,
    '    -*) ;;',
    '    *) case "$at" in',
    '      "") at=$word ;;',
    `      ${branches.join('|')}) at="$at $word" ;;`,
    '      esac ;;',
    '    esac',
    '  done',
    '  case "$at:$prev" in',
    ...valueCases(places),
    '  esac',
    '  case "$at" in',
    ...places.map(place => `  ${quoted(place.words)}) words=${quoted(wordsOf(place).join(' '))} ;;`),
    '  esac',
    '  COMPREPLY=($(compgen -W "$words" -- "$cur"))',
    '}',
    'complete -o default -F _holdfast holdfast',
  ];
  return `${lines.join('\n')}\n`;
}

function wordsOf(place: Place): string[] {
  return [...place.commands.map(command => command.name), ...place.values, ...place.flags.flatMap(flag => flag.names)];
}

/** One case for all flags that are completed in the same way. */
function valueCases(places: readonly Place[]): string[] {
  const patterns = places.flatMap(place =>
    place.flags.flatMap(flag => {
      const how = generator(flag.value);
      return how === undefined ? [] : flag.names.map(name => ({ how, pattern: quoted(`${place.words}:${name}`) }));
    }),
  );
  return [...Map.groupBy(patterns, ({ how }) => how)].map(
    ([how, group]) => `  ${group.map(({ pattern }) => pattern).join('|')}) ${how}; return ;;`,
  );
}

function generator(value: FlagValueKind): string | undefined {
  if (value === 'none') return undefined;
  if (value === 'any') return 'compopt +o default';
  if (value === 'file') return 'COMPREPLY=($(compgen -f -- "$cur")); compopt -o filenames';
  if (value === 'directory') return 'COMPREPLY=($(compgen -d -- "$cur")); compopt -o filenames';
  return `COMPREPLY=($(compgen -W ${quoted(value.join(' '))} -- "$cur"))`;
}

function quoted(text: string): string {
  return `"${text.replace(/["\\$`]/g, '\\$&')}"`;
}
