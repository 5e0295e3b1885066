import { expect, it } from 'vitest';
import { progressPrinter } from './progress.ts';

it('progress is printed every two seconds at most, and only where there is some', () => {
  let now = 0;
  const lines: string[] = [];
  const report = progressPrinter(
    line => lines.push(line),
    () => now,
  );
  const at = (ms: number, bytes: number) => {
    now = ms;
    report({ files: 1, bytes, totalBytes: 100 });
  };
  at(0, 1);
  at(500, 2);
  at(1_999, 3);
  at(2_000, 4);
  at(10_000, 4);
  at(10_001, 5);
  expect(lines.map(line => JSON.parse(line).progress.bytes)).toEqual([1, 4, 5]);
});
