import type { FlagValueKind, Place, PlaceFlag } from './places.ts';

/** A zsh function a command, each built on `_arguments`. */
export function zshScript(places: readonly Place[]): string {
  const functions = places.map(place => [
    `${functionName(place.words)}() {`,
    ...(place.commands.length === 0 ? leaf(place) : branch(place)),
    '}',
  ]);
  return `${['#compdef holdfast', ...functions.flat(), '_holdfast "$@"'].join('\n')}\n`;
}

function functionName(words: string): string {
  return `_holdfast${words === '' ? '' : `_${words.replaceAll(' ', '_')}`}`;
}

function leaf(place: Place): string[] {
  const values = place.values.length === 0 ? [] : [quoted(`1:value:(${place.values.join(' ')})`)];
  return [`  _arguments -s ${[...place.flags.flatMap(flagSpecs), ...values].join(' \\\n    ')}`];
}

function branch(place: Place): string[] {
  return [
    '  local line state',
    '  local -a commands=(',
    ...place.commands.map(({ name, text }) => `    ${quoted(`${name}:${escaped(text)}`)}`),
    '  )',
    `  _arguments -C -s ${[...place.flags.flatMap(flagSpecs), "'1: :->command'", "'*:: :->rest'"].join(' \\\n    ')}`,
    '  case $state in',
    '  command) _describe command commands ;;',
    '  rest)',
    '    case $line[1] in',
    ...place.commands.map(({ name }) => `    ${name}) ${functionName(`${place.words} ${name}`.trim())} ;;`),
    '    esac ;;',
    '  esac',
  ];
}

function flagSpecs({ names, text, repeats, value }: PlaceFlag): string[] {
  return names.map(name => quoted(`${repeats ? '*' : ''}${name}[${escaped(text)}]${action(value)}`));
}

function action(value: FlagValueKind): string {
  if (value === 'none') return '';
  if (value === 'any') return ':value: ';
  if (value === 'file') return ':file:_files';
  if (value === 'directory') return ':directory:_files -/';
  return `:value:(${value.join(' ')})`;
}

function escaped(text: string): string {
  return text.replace(/[[\]:]/g, '\\$&');
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}
