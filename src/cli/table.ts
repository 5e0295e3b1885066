import { width } from './format.ts';
import { plainStyle, type Style } from './style.ts';

export interface Column<Row> {
  readonly title: string;
  /** Numbers and sizes stand to the right. */
  readonly align?: 'right';
  cell(row: Row): string;
  /** Colour of a cell, applied after its width was measured. */
  paint?(text: string, row: Row): string;
}

export interface TableOptions {
  /** Titles above the columns; without them the table is easier for `awk`. */
  readonly headers?: boolean;
  readonly style?: Style;
  /** Put before every line. */
  readonly indent?: string;
}

const gap = '   ';

/** Lines of aligned columns, as kubectl prints them; no line ends in spaces. An empty cell is `-`. Without rows there are no lines. */
export function table<Row>(columns: readonly Column<Row>[], rows: readonly Row[], options: TableOptions = {}): string[] {
  const { headers = true, style = plainStyle, indent = '' } = options;
  if (rows.length === 0) return [];
  const cells = rows.map(row => columns.map(column => column.cell(row) || '-'));
  const titles = headers ? [columns.map(column => column.title)] : [];
  const widths = columns.map((_, i) => Math.max(0, ...[...titles, ...cells].map(line => width(line[i] ?? ''))));
  const line = (texts: readonly string[], paint: (text: string, i: number) => string) =>
    indent +
    texts
      .map((text, i) => padded(paint(text, i), text, widths[i] ?? 0, columns[i]?.align, i === texts.length - 1))
      .join(gap)
      .trimEnd();
  return [
    ...titles.map(texts => line(texts, text => style.bold(text))),
    ...cells.map((texts, r) =>
      line(texts, (text, i) => {
        const row = rows[r];
        const column = columns[i];
        return row === undefined || column?.paint === undefined ? text : column.paint(text, row);
      }),
    ),
  ];
}

function padded(painted: string, plain: string, to: number, align: 'right' | undefined, last: boolean): string {
  const padding = ' '.repeat(Math.max(0, to - width(plain)));
  if (align === 'right') return padding + painted;
  return last ? painted : painted + padding;
}

/** `Name:   value` lines with the values in one column; pairs without a value are left out. */
export function facts(pairs: readonly (readonly [string, string | undefined])[], style: Style = plainStyle, indent = ''): string[] {
  const shown = pairs.filter((pair): pair is readonly [string, string] => pair[1] !== undefined);
  const wide = Math.max(0, ...shown.map(([name]) => width(name)));
  return shown.map(([name, value]) => `${indent}${style.dim(`${name}${' '.repeat(wide - width(name))}`)}   ${value}`);
}
