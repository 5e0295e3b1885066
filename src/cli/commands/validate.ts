import { exitCodes } from '../../domain/errors.ts';
import type { CommandSpec } from '../command.ts';
import { presentSummary } from '../output.ts';
import {
  mappingFlag,
  namespaceMapping,
  type RestoreFlagValues,
  restoreSelectionFlags,
  selectionOf,
  storageClassFlag,
  storageClassMapping,
  volumeSizeFlag,
  volumeSizeMapping,
} from '../restore-flags.ts';
import { type ClusterFlagValue, clusterFlag, clusterOf, setArgument } from '../set-argument.ts';
import { requireSome } from './restore-plan.ts';

interface Options extends RestoreFlagValues, ClusterFlagValue {
  readonly junit?: string;
}

export const validate: CommandSpec<Options> = {
  name: 'validate',
  arguments: [setArgument],
  summary: 'Compare a cluster with a backup field by field, and try whether it works',
  details:
    'What a cluster owns (uid, resourceVersion, managed fields, status of what controllers keep) may differ; nothing else. Then a small workflow is submitted and must succeed, and a CodeRun is made and must be acted upon; both are removed again. Parts that the cluster does not have are skipped and named; what was asked for by a file or a namespace must be there.',
  examples: [
    { what: 'after a restore', line: 'holdfast validate latest --keys-dir ./keys --identity operator.identity' },
    { what: 'what has changed in a namespace since a backup?', line: 'holdfast validate 2026-11-20 -n agent-platform --no-platform' },
    { what: 'with a workflow of your own', line: 'holdfast validate latest --workflow smoke.yaml --check-timeout 5m' },
    { what: 'for a CI system', line: 'holdfast validate latest --junit report.xml' },
  ],
  exits: {
    [exitCodes.ok]: 'everything is there and equal, and the platform works',
    [exitCodes.failed]: 'the cluster or the location cannot be read',
    [exitCodes.verification]: 'a check failed, or the backup is damaged',
    [exitCodes.timeout]: 'not done within --timeout',
    [exitCodes.notFound]: 'no such backup, repository or bucket, or the backup holds nothing of what is selected',
    [exitCodes.wrongKey]: 'the identity is missing, or opens another backup',
  },
  uses: ['identity', 'keys', 'repository', 'cluster', 'server', 'output', 'general'],
  flags: [
    ...restoreSelectionFlags,
    clusterFlag,
    { ...mappingFlag, text: 'namespaces that were restored under another name (repeatable)' },
    { ...volumeSizeFlag, text: 'sizes that claims were given, as in agents/workspace=20Gi (repeatable)' },
    { ...storageClassFlag, text: 'storage classes that claims were given others of (repeatable)' },
    { flags: '--no-platform', text: 'only compare; submit nothing', setting: 'validation.platform' },
    {
      flags: '--workflow <file>',
      text: 'YAML or JSON of the Workflow to submit, instead of the built-in one',
      setting: 'validation.workflow',
      completes: 'file',
    },
    {
      flags: '--code-run <file>',
      text: 'YAML or JSON of the CodeRun to make, instead of the built-in one',
      setting: 'validation.codeRun',
      completes: 'file',
    },
    { flags: '--check-namespace <name>', text: 'namespace in which they are made', setting: 'validation.namespace' },
    { flags: '--check-timeout <duration>', text: 'how long each of them may take (default 1m)', setting: 'validation.timeout' },
    { flags: '--junit <file>', text: 'also write the report as JUnit XML', completes: 'file' },
  ],
  outputs: ['table', 'json', 'yaml', 'name'],
  reports: () => 'lines',
  whenStopped: 'The backup and the cluster’s own objects are as they were.',
  run: async call => {
    const { junit, mapNamespace = [], storageClassMapping: classes = [], volumeSizeMapping: sizes = [] } = call.options;
    const wanted = selectionOf(call.options);
    const storageClasses = storageClassMapping(classes);
    const mappings = { namespaceMapping: namespaceMapping(mapNamespace), storageClasses, volumeSizes: volumeSizeMapping(sizes) };
    const [app, { environment, settings }, { validationLines }] = await Promise.all([
      call.app(),
      call.config(),
      import('../render/validation.ts'),
    ]);
    const saveReport =
      junit === undefined ? undefined : await (await import('../write-report.ts')).junitWriter(junit, environment.directory);
    const platform = settings.validation?.platform !== false;
    const how = { signal: call.signal, need: 'contents', use: 'validate', wanted, ...clusterOf(call.options) } as const;
    const set = await app.openSet(call.args[0] ?? 'latest', how);
    const options = { selection: wanted, ...mappings, platform };
    const report = await app.validate(set, options, { signal: call.signal, progress: call.reporter.progress });
    await requireSome(call, report.backup, report.checks.filter(({ name }) => name.startsWith('equality/')).length);
    for (const check of report.checks) call.reporter.message({ message_type: check.state === 'failed' ? 'error' : 'check', ...check });
    await presentSummary(call, {
      document: report,
      lines: () => validationLines(report, call.style),
      names: () => report.checks.filter(check => check.state === 'failed').map(check => check.name),
    });
    await saveReport?.(report);
    return report.state === 'passed' ? exitCodes.ok : exitCodes.verification;
  },
};
