import { styleText } from 'node:util';
import type { TextStream } from './terminal.ts';

/** How text is set off. Colour is never alone: every coloured word also says it in words or by a sign. */
export interface Style {
  bold(text: string): string;
  dim(text: string): string;
  good(text: string): string;
  warning(text: string): string;
  bad(text: string): string;
  accent(text: string): string;
}

const same = (text: string) => text;

/** No escape codes at all. */
export const plainStyle: Style = { bold: same, dim: same, good: same, warning: same, bad: same, accent: same };

/** Colours for a stream; node decides by whether it is a terminal, NO_COLOR and FORCE_COLOR. */
export function styleFor(stream: TextStream, enabled: boolean): Style {
  if (!enabled) return plainStyle;
  const as = (format: Parameters<typeof styleText>[0]) => (text: string) =>
    styleText(format, text, { stream: stream as NodeJS.WritableStream });
  return { bold: as('bold'), dim: as('dim'), good: as('green'), warning: as('yellow'), bad: as('red'), accent: as('cyan') };
}
