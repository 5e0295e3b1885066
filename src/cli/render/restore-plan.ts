import {
  type ActionCounts,
  type PlannedObject,
  type RestoreAction,
  type RestorePlan,
  type RestoreProblem,
  type RestoreStep,
  restoreActions,
} from '../../domain/restore-plan.ts';
import { count, counted, printable, shortened } from '../format.ts';
import type { Style } from '../style.ts';
import { type Column, table } from '../table.ts';
import { block } from './block.ts';
import { volumeLines } from './restore-volumes.ts';

interface ActionWords {
  readonly title: string;
  readonly sign: string;
  /** Does it change the cluster? */
  readonly writes: boolean;
}

const actionWords = {
  create: { title: 'CREATE', sign: '+', writes: true },
  complete: { title: 'COMPLETE', sign: '+', writes: true },
  adopt: { title: 'ADOPT', sign: '~', writes: true },
  update: { title: 'UPDATE', sign: '~', writes: true },
  recreate: { title: 'RECREATE', sign: '±', writes: true },
  'skip-equal': { title: 'EQUAL', sign: '=', writes: false },
  'skip-differs': { title: 'KEPT', sign: '!', writes: false },
  exclude: { title: 'EXCLUDED', sign: '-', writes: false },
  fail: { title: 'IMPOSSIBLE', sign: '✗', writes: false },
} as const satisfies Record<RestoreAction, ActionWords>;

const stepTitles = {
  'custom-resource-definitions': 'custom resource definitions',
  namespaces: 'namespaces',
  'cluster-configuration': 'cluster configuration',
  configmaps: 'configmaps',
  secrets: 'secrets',
  'volume-claims': 'volume claims',
  'custom-resources': 'custom resources',
  applications: 'applications',
  workflows: 'workflows',
  limits: 'quotas and limits',
  admission: 'admission rules',
} as const satisfies Record<RestoreStep, string>;

export function writesOf(counts: ActionCounts): number {
  return restoreActions.reduce((sum, action) => sum + (actionWords[action].writes ? counts[action] : 0), 0);
}

export interface PlanOptions {
  readonly style: Style;
  /** Fields that differ, below each object that is there already. */
  readonly diff?: boolean;
  /** Every object, not only those that differ or cannot be restored. */
  readonly objects?: boolean;
}

/** A restore plan, for people: what would be written, in which order, and what not. */
export function planLines(plan: RestorePlan, { style, diff = false, objects = false }: PlanOptions): string[] {
  const planned = plan.steps.flatMap(step => step.objects);
  const listed = planned.filter(object => objects || object.action === 'recreate' || (diff && object.differences !== undefined));
  return [
    `${style.bold(`Restore plan: ${plan.backup}`)} → ${printable(plan.server)}`,
    ...mappingLines(plan),
    '',
    ...stepTable(plan.steps, plan.totals, style).map(line => `  ${line}`),
    ...block('Volumes', volumeLines(plan.volumes, style), style),
    ...block('Objects', objectLines(listed, diff, style), style),
    ...block('Left as it is', leftLines(planned, style), style),
    ...problemBlocks(plan.problems, style),
    '',
    verdict(plan, style),
  ];
}

function mappingLines(plan: RestorePlan): string[] {
  const mapping = Object.entries(plan.namespaceMapping).map(([from, to]) => `${from} → ${to}`);
  return mapping.length === 0 ? [] : [printable(`Namespaces: ${mapping.join(', ')}`)];
}

interface StepRow {
  readonly step: RestoreStep;
  readonly counts: ActionCounts;
}

/** Counts of a plan or of what was done, a line a step; columns without any count are left away. */
export function stepTable(steps: readonly StepRow[], totals: ActionCounts, style: Style, extra: readonly Column<number>[] = []): string[] {
  const actions = restoreActions.filter(action => totals[action] > 0);
  const rows = [
    ...steps.map((step, i) => ({ title: `${String(i + 1).padStart(2)}  ${stepTitles[step.step]}`, counts: step.counts, i })),
    { title: '    total', counts: totals, i: -1 },
  ];
  const lines = table<(typeof rows)[number]>(
    [
      { title: 'STEP', cell: row => row.title },
      ...actions.map(action => ({
        title: actionWords[action].title,
        cell: (row: { counts: ActionCounts }) => (row.counts[action] === 0 ? '' : count(row.counts[action])),
        align: 'right' as const,
        paint: (text: string) => (text === '-' ? style.dim(text) : paintAction(action, style)(text)),
      })),
      ...extra.map(column => ({
        ...column,
        cell: (row: { i: number }) => (row.i < 0 ? ' ' : column.cell(row.i)),
        paint: (text: string) => text,
      })),
    ],
    rows,
    { style },
  );
  return lines;
}

function paintAction(action: RestoreAction, style: Style): (text: string) => string {
  if (action === 'fail') return style.bad;
  if (action === 'recreate' || action === 'skip-differs') return style.warning;
  return actionWords[action].writes ? style.good : style.dim;
}

function objectLines(objects: readonly PlannedObject[], diff: boolean, style: Style): string[] {
  return objects.flatMap(object => {
    const { sign, title } = actionWords[object.action];
    const name = `${object.kind} ${objectName(object)}`;
    const reason = object.reason === undefined ? '' : style.dim(`  ${printable(object.reason)}`);
    const head = `${paintAction(object.action, style)(`${sign} ${title.toLowerCase()}`)} ${printable(name)}${reason}`;
    return [head, ...(diff ? differenceLines(object.differences ?? [], style) : [])];
  });
}

/** Objects that are not written though they differ or are missing, a line a reason. */
function leftLines(planned: readonly PlannedObject[], style: Style): string[] {
  const left = planned.filter(object => object.action === 'exclude' || object.action === 'skip-differs');
  const groups = Map.groupBy(left, object => `${object.action} ${object.kind} ${object.reason ?? ''}`);
  return table<PlannedObject[]>(
    [
      { title: 'KIND', cell: ([first]) => printable(first?.kind ?? '') },
      { title: 'OBJECTS', cell: group => count(group.length), align: 'right' },
      { title: 'WHICH', cell: group => printable(shortened(group.map(objectName).join(', '), 48)) },
      {
        title: 'WHY',
        cell: ([first]) =>
          printable(first?.reason ?? (first?.action === 'skip-differs' ? 'differs from the backup: --diff shows how' : '')),
      },
    ],
    [...groups.values()],
    { style },
  );
}

function objectName({ namespace, name }: PlannedObject): string {
  return namespace === '' ? name : `${namespace}/${name}`;
}

/** Two lines a field: what the cluster has, what the backup has. */
export function differenceLines(
  differences: readonly { readonly path: string; readonly wanted?: string; readonly live?: string }[],
  style: Style,
): string[] {
  return differences.flatMap(({ path, wanted, live }) => [
    `    ${printable(path)}`,
    ...(live === undefined ? [] : [style.bad(`      - ${printable(live)}`)]),
    ...(wanted === undefined ? [] : [style.good(`      + ${printable(wanted)}`)]),
    ...(live === undefined && wanted === undefined ? [style.dim('      (contents of Secrets are not shown)')] : []),
  ]);
}

export function problemBlocks(problems: readonly RestoreProblem[], style: Style): string[] {
  const of = (severity: RestoreProblem['severity']) =>
    table<RestoreProblem>(
      [
        { title: 'ITEM', cell: problem => printable(problem.item) },
        { title: 'OBJECTS', cell: problem => (problem.objects === undefined ? '' : count(problem.objects)), align: 'right' },
        { title: 'CODE', cell: problem => problem.code },
        { title: 'WHY', cell: problem => printable(problem.message) },
      ],
      problems.filter(problem => problem.severity === severity),
      { style },
    );
  return [...block(style.bad('Problems'), of('failed'), style), ...block(style.warning('To know'), of('warning'), style)];
}

/** `2 objects differ and stay as they are` */
export function keptText(kept: number): string {
  return kept === 1 ? '1 object differs and stays as it is' : `${counted(kept, 'object')} differ and stay as they are`;
}

function verdict(plan: RestorePlan, style: Style): string {
  const { totals } = plan;
  const writes = writesOf(totals);
  const kept = totals['skip-differs'];
  if (writes === 0 && totals.fail === 0 && kept === 0) return style.good('✓ Nothing to do: everything selected is there already.');
  const parts = [
    `${writes === 0 ? 'nothing' : counted(writes, 'object')} would be written`,
    totals.recreate > 0 ? style.warning(`${count(totals.recreate)} of them after deleting what is there`) : '',
    kept > 0 ? style.warning(`${keptText(kept)} (--existing=${plan.existing})`) : '',
    totals.fail > 0 ? style.bad(`${counted(totals.fail, 'object')} cannot be restored`) : '',
  ];
  return `${parts.filter(part => part !== '').join(', ')}.`;
}

/** Objects that would be written, in order. */
export function plannedNames(plan: RestorePlan): string[] {
  return plan.steps
    .flatMap(step => step.objects)
    .filter(object => actionWords[object.action].writes)
    .map(({ kind, namespace, name }) => printable(`${namespace === '' ? '' : `${namespace}/`}${kind}/${name}`));
}
