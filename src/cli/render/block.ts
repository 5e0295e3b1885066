import type { Style } from '../style.ts';

/** A title with indented lines, an empty line before; nothing where there are no lines. */
export function block(title: string, lines: readonly string[], style: Style): string[] {
  return lines.length === 0 ? [] : ['', style.bold(title), ...lines.map(line => `  ${line}`)];
}
