import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, expect, it } from 'vitest';
import { tempDir } from '../../test/cluster/temp-dir.ts';
import { codeRunCheck, workflowCheck } from './platform.ts';
import { platformChecks } from './platform-checks.ts';

let dir = '';
beforeAll(async () => {
  dir = await tempDir('checks');
});

async function file(text: string): Promise<string> {
  const path = join(dir, 'check.yaml');
  await writeFile(path, text);
  return path;
}

it('runs the built-in checks where nothing else is wanted', async () => {
  expect(await platformChecks({})).toEqual([workflowCheck, codeRunCheck]);
});

it('takes an object of the user’s own, in the namespace that it names', async () => {
  const workflow = await file(
    'apiVersion: argoproj.io/v1alpha1\nkind: Workflow\nmetadata: {namespace: ci, generateName: smoke-}\nspec: {workflowTemplateRef: {name: smoke}}',
  );
  const [own, codeRun] = await platformChecks({ workflow, timeout: 300_000 });
  expect(own).toMatchObject({ namespaces: ['ci'], timeoutMs: 300_000, required: true, group: 'argoproj.io' });
  expect(own?.manifest['spec']).toEqual({ workflowTemplateRef: { name: 'smoke' } });
  expect(codeRun).toEqual({ ...codeRunCheck, timeoutMs: 300_000 });
});

it('takes a CodeRun of whatever group, and JSON', async () => {
  const codeRun = await file('{"apiVersion":"agents.example.org/v1beta1","kind":"CodeRun","spec":{}}');
  const [, own] = await platformChecks({ codeRun, namespace: 'agents' });
  expect(own).toMatchObject({ group: 'agents.example.org', namespaces: ['agents'], required: true });
});

it.each([
  ['kind: Workflow\n', 'check.yaml: it holds a Workflow, not a CodeRun'],
  ['apiVersion: agents.platform/v1\nkind: Workflow\n', 'it holds a Workflow, not a CodeRun'],
  ['just text', 'check.yaml: it holds no object'],
  ['a: [', 'check.yaml: cannot be read as an object: '],
])('refuses a file that is no such object: %j', async (text, message) => {
  await expect(platformChecks({ codeRun: await file(text) })).rejects.toThrow(
    expect.objectContaining({ code: 'CONFIG_INVALID', message: expect.stringContaining(message) }),
  );
});

it('names a file that is not there', async () => {
  await expect(platformChecks({ workflow: join(dir, 'none.yaml') })).rejects.toThrow(/none\.yaml: cannot be read as an object: ENOENT/);
});
