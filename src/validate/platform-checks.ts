import { readFile } from 'node:fs/promises';
import { parse } from 'yaml';
import { HoldfastError } from '../domain/errors.ts';
import { isObject, type Json, type JsonObject, stringAt } from '../domain/json.ts';
import { codeRunCheck, type PlatformCheck, workflowCheck } from './platform.ts';

/** What a user has instead of the built-in checks. Paths are absolute. */
export interface PlatformChoice {
  readonly workflow?: string | undefined;
  readonly codeRun?: string | undefined;
  readonly namespace?: string | undefined;
  /** Bound of the wait for each, milliseconds. */
  readonly timeout?: number | undefined;
}

/** The built-in checks as the user wants them. CONFIG_INVALID where a file cannot be read, or holds another kind of object. */
export async function platformChecks({ workflow, codeRun, namespace, timeout }: PlatformChoice): Promise<PlatformCheck[]> {
  const checks = await Promise.all([
    workflow === undefined ? workflowCheck : fromFile(workflowCheck, workflow, 'Workflow'),
    codeRun === undefined ? codeRunCheck : fromFile(codeRunCheck, codeRun, 'CodeRun'),
  ]);
  return checks.map(check => ({
    ...check,
    ...(namespace === undefined ? {} : { namespaces: [namespace], required: true }),
    ...(timeout === undefined ? {} : { timeoutMs: timeout }),
  }));
}

async function fromFile(check: PlatformCheck, file: string, kind: string): Promise<PlatformCheck> {
  const manifest = await readManifest(file);
  const [group = '', version] = (stringAt(manifest, 'apiVersion') ?? '').split('/');
  const found = stringAt(manifest, 'kind');
  if (found !== kind || version === undefined) {
    const hint = `write one object with apiVersion and kind: ${kind}; a template is run by a ${kind} that refers to it`;
    throw new HoldfastError('CONFIG_INVALID', `${file}: it holds ${found === undefined ? 'no object' : `a ${found}`}, not a ${kind}`, {
      hint,
    });
  }
  const namespace = stringAt(manifest, 'metadata', 'namespace');
  return { ...check, manifest, group, required: true, ...(namespace === undefined ? {} : { namespaces: [namespace] }) };
}

async function readManifest(file: string): Promise<JsonObject> {
  try {
    const content = parse(await readFile(file, 'utf8')) as Json;
    if (isObject(content)) return content;
  } catch (thrown) {
    const [first] = (thrown as Error).message.split('\n');
    throw new HoldfastError('CONFIG_INVALID', `${file}: cannot be read as an object: ${first}`, { cause: thrown });
  }
  throw new HoldfastError('CONFIG_INVALID', `${file}: it holds no object`);
}
