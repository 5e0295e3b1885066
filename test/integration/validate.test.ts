import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ClusterApi } from '../../src/cluster/cluster-api.ts';
import type { ResourceKind } from '../../src/domain/resource.ts';
import { noProgress } from '../../src/domain/runtime.ts';
import { everything } from '../../src/domain/selection.ts';
import type { ValidationCheck, ValidationReport } from '../../src/domain/validation.ts';
import { codeRunCheck, validatePlatform } from '../../src/validate/platform.ts';
import { type PlatformChoice, platformChecks } from '../../src/validate/platform-checks.ts';
import { runValidation } from '../../src/validate/run.ts';
import { startCluster, type TestCluster } from '../cluster/cluster.ts';
import { tempDir } from '../cluster/temp-dir.ts';
import { applyPlatform } from '../fixtures/platform/apply.ts';
import { startCodeRunController } from '../fixtures/platform/coderun-controller.ts';
import { completeBackup, connect, type OpenLocation, openTestRepository, reader } from '../helpers/journey.ts';
import { configmaps } from '../helpers/kinds.ts';
import { testRuntime } from '../helpers/runtime.ts';

const secrets: ResourceKind = { ...configmaps, resource: 'secrets', kind: 'Secret' };
const workflows: ResourceKind = { ...configmaps, group: 'argoproj.io', version: 'v1alpha1', resource: 'workflows', kind: 'Workflow' };
const codeRuns: ResourceKind = { ...configmaps, group: 'agents.platform', resource: 'coderuns', kind: 'CodeRun' };

describe('validation of a cluster against a backup', () => {
  let cluster: TestCluster;
  let api: ClusterApi;
  let location: OpenLocation;
  let id: string;

  beforeAll(async () => {
    cluster = await startCluster({ name: 'validate', argo: true, unsafeNoFsync: true });
    api = await connect(cluster);
    location = await openTestRepository();
    await applyPlatform(cluster);
    id = await completeBackup(location, api);
  });
  afterAll(async () => {
    await api?.close();
    await location?.remove();
    await cluster?.destroy();
  });

  async function validate(platform: boolean, selection = everything): Promise<ValidationReport> {
    return runValidation({
      reader: await reader(location, id),
      cluster: api,
      selection,
      namespaceMapping: {},
      platform,
      runtime: testRuntime,
      signal: AbortSignal.timeout(120_000),
      progress: noProgress,
    });
  }

  it('finds everything equal where nothing has changed, and the platform at work', async () => {
    const controller = await startCodeRunController(cluster);
    try {
      const report = await validate(true);
      expect(report.checks.filter(check => check.state === 'failed')).toEqual([]);
      const platform = report.checks.filter(check => check.name.startsWith('platform/'));
      expect(platform.map(check => [check.name, check.state])).toEqual([
        ['platform/workflow', 'passed'],
        ['platform/coderun', 'passed'],
      ]);
      const left = await api.list(codeRuns, () => {}, { labelSelector: 'holdfast.dev/check=true' });
      expect(left.items).toBe(0);
    } finally {
      await controller.stop();
    }
  });

  it('names what is missing and every field that differs, by kind, and of Secrets the path only', async () => {
    const selection = { ...everything, includeNamespaces: ['agent-platform'], includeKinds: ['configmaps', 'secrets'] };
    await api.patch(configmaps, 'agent-platform', 'mcp-servers', { type: 'merge', body: '{"data":{"servers.json":"changed"}}' });
    await api.patch(secrets, 'agent-platform', 'github-app-5dlabs-rex', { type: 'merge', body: '{"data":{"app-id":"Y2hhbmdlZA=="}}' });
    await api.delete(configmaps, 'agent-platform', 'mcp-tools-rex');
    const report = await validate(false, selection);
    expect(report.state).toBe('failed');
    const findings = report.checks.flatMap(check => check.findings);
    expect(findings.map(finding => finding.item).sort()).toEqual([
      'configmaps agent-platform/mcp-servers',
      'configmaps agent-platform/mcp-tools-rex',
      'secrets agent-platform/github-app-5dlabs-rex',
    ]);
    const of = (name: string) => findings.find(finding => finding.item.endsWith(name));
    expect(of('mcp-tools-rex')?.message).toBe('is missing');
    expect(of('mcp-servers')?.differences).toMatchObject([{ path: '/data/servers.json', live: '"changed"' }]);
    expect(of('5dlabs-rex')?.differences).toEqual([{ path: '/data/app-id' }]);
    expect(JSON.stringify(report)).not.toContain('Y2hhbmdlZA');
  });

  it('says that nothing acts where no controller runs', async () => {
    const [result] = await validatePlatform({
      cluster: api,
      checks: [{ ...codeRunCheck, timeoutMs: 1500 }],
      runtime: testRuntime,
      signal: AbortSignal.timeout(90_000),
    });
    expect(result).toMatchObject({ state: 'failed' });
    expect(result?.message).toContain('no controller took it up');
  });

  describe('with a workflow of the user’s own', () => {
    let folder: string;
    beforeAll(async () => {
      folder = await tempDir('own-workflow');
    });

    async function run(manifest: string, choice: PlatformChoice = {}): Promise<ValidationCheck | undefined> {
      const workflow = join(folder, 'own.yaml');
      await writeFile(workflow, manifest);
      const [check] = await platformChecks({ ...choice, workflow, timeout: 60_000 });
      const input = { cluster: api, runtime: testRuntime, signal: AbortSignal.timeout(90_000) };
      return (await validatePlatform({ ...input, checks: [check!] }))[0];
    }
    const own = (namespace: string, template: string) => `
apiVersion: argoproj.io/v1alpha1
kind: Workflow
metadata: {generateName: smoke-, namespace: ${namespace}, labels: {team: ci}}
spec:
  entrypoint: main
  templates: [{name: main, ${template}}]
`;

    it('runs that one, where its file says, and removes it', async () => {
      const result = await run(own('argo', 'suspend: {duration: "1"}'));
      expect(result, result?.message).toMatchObject({ state: 'passed', message: expect.stringMatching(/^argo\/holdfast-check-/) });
      const left = await api.list(workflows, () => {}, { labelSelector: 'holdfast.dev/check=true' });
      expect(left.items).toBe(0);
    });

    it('runs it in the namespace that was chosen', async () => {
      const result = await run(own('argo', 'suspend: {duration: "1"}'), { namespace: 'agent-platform' });
      expect(result).toMatchObject({ state: 'passed', message: expect.stringMatching(/^agent-platform\//) });
    });

    it('fails where that namespace is not there, instead of leaving the check out', async () => {
      const result = await run(own('nowhere', 'suspend: {}'));
      expect(result).toMatchObject({ state: 'failed', message: 'none of the namespaces nowhere exists' });
    });
  });
});
