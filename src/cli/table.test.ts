import { expect, it } from 'vitest';
import { plainStyle } from './style.ts';
import { type Column, facts, table } from './table.ts';

interface Row {
  readonly name: string;
  readonly size: string;
}

const columns: Column<Row>[] = [
  { title: 'NAME', cell: row => row.name },
  { title: 'SIZE', cell: row => row.size, align: 'right' },
];
const rows: Row[] = [
  { name: 'a', size: '1' },
  { name: '日本', size: '1,000' },
  { name: 'long-name', size: '' },
];

it('aligns columns, numbers to the right, and writes - for nothing', () => {
  expect(table(columns, rows)).toEqual(['NAME         SIZE', 'a               1', '日本        1,000', 'long-name       -']);
});

it('leaves titles away when asked to', () => {
  expect(table(columns, rows.slice(0, 1), { headers: false })).toEqual(['a   1']);
});

it('has no lines without rows', () => {
  expect(table(columns, [])).toEqual([]);
});

it('never ends a line in spaces', () => {
  const lines = table<Row>([...columns].reverse(), [{ name: ' ', size: '1' }]);
  for (const line of lines) expect(line).not.toMatch(/\s$/);
});

it('measures before it colours', () => {
  const red: Column<Row>[] = [{ title: 'NAME', cell: row => row.name, paint: text => `\x1b[31m${text}\x1b[39m` }, columns[1]!];
  expect(table(red, rows.slice(0, 1), { style: plainStyle })[1]).toBe('\x1b[31ma\x1b[39m         1');
});

it('puts facts in two columns and passes over those that are not there', () => {
  expect(
    facts([
      ['Id', 'x'],
      ['Location', 'y'],
      ['Nothing', undefined],
    ]),
  ).toEqual(['Id         x', 'Location   y']);
});
