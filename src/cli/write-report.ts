import { stat, writeFile } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { HoldfastError } from '../domain/errors.ts';
import type { ValidationReport } from '../domain/validation.ts';
import { toJUnit } from '../validate/report.ts';

/** Writes a report for a CI system, over an earlier one. USAGE at once where the file can be nowhere, later where it cannot be written. */
export async function junitWriter(file: string, directory: string): Promise<(report: ValidationReport) => Promise<void>> {
  const path = resolve(directory, file);
  const refuse = (why: string) =>
    new HoldfastError('USAGE', `cannot write the report to ${file}: ${why}`, { hint: 'name a file in a folder that can be written' });
  const folder = await stat(dirname(path)).catch(() => undefined);
  if (folder?.isDirectory() !== true) throw refuse(`there is no folder ${dirname(path)}`);
  return async report => {
    await writeFile(path, toJUnit(report)).catch((thrown: Error) => {
      throw refuse(thrown.message);
    });
  };
}
