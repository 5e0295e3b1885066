import type { Runtime } from '../domain/runtime.ts';
import type { ValidationReport } from '../domain/validation.ts';
import { type EqualityInput, validateEquality } from './equality.ts';
import { codeRunCheck, type PlatformCheck, validatePlatform, workflowCheck } from './platform.ts';
import { validationReport } from './report.ts';

export interface ValidationInput extends Omit<EqualityInput, 'now'> {
  /** Also run something small on the platform. */
  readonly platform: boolean;
  /** What to run; a workflow and a CodeRun unless told. */
  readonly checks?: readonly PlatformCheck[];
  readonly runtime: Runtime;
}

/** Is everything of the set back and equal, and does the platform work? Writes nothing but the checks' own objects, which it removes. */
export async function runValidation(input: ValidationInput): Promise<ValidationReport> {
  const { cluster, reader, runtime, signal } = input;
  const startedAt = runtime.now();
  const equality = await validateEquality({ ...input, now: startedAt });
  const checks = input.checks ?? [workflowCheck, codeRunCheck];
  const platform = input.platform ? await validatePlatform({ cluster, checks, runtime, signal }) : [];
  const both = [...equality, ...platform];
  return validationReport({ backup: reader.manifest.id, server: cluster.server, startedAt, finishedAt: runtime.now(), checks: both });
}
