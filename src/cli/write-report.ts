import { writeFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { HoldfastError } from '../domain/errors.ts';
import type { ValidationReport } from '../domain/validation.ts';
import { toJUnit } from '../validate/report.ts';

/** Writes the report for a CI system, over an earlier one. USAGE when the file cannot be written. */
export async function writeJUnit(file: string, directory: string, report: ValidationReport): Promise<void> {
  await writeFile(resolve(directory, file), toJUnit(report)).catch((thrown: Error) => {
    throw new HoldfastError('USAGE', `cannot write the report to ${file}: ${thrown.message}`);
  });
}
