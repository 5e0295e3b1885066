import type { PodApi } from '../cluster/pod-api.ts';
import type { ItemProblem } from '../domain/backup-set.ts';
import { asHoldfastError, HoldfastError } from '../domain/errors.ts';
import type { HookRule } from '../domain/hook-rule.ts';
import { type JsonObject, stringAt } from '../domain/json.ts';
import type { Runtime } from '../domain/runtime.ts';
import { volumeNames } from '../domain/volume.ts';
import type { VolumeSettings } from '../domain/volume-settings.ts';
import { cleanUp } from './clean-up.ts';
import { configMaps, leases, pods } from './kinds.ts';
import { isForeign, labelValue, shortDigest } from './labels.ts';
import type { Objects } from './objects.ts';
import { compileHooks, type PodHooks, runThaw } from './pod-hooks.ts';
import { type WorkLeases, workEnded, workLeaseName } from './work-lease.ts';

export interface FrozenTools extends WorkLeases {
  readonly objects: Objects;
  readonly pods: PodApi;
  /** Whose pods' notes they are; all are taken for ours where nobody says. */
  readonly installation?: string;
  readonly settings: Pick<VolumeSettings, 'namespace' | 'hookTimeoutMs' | 'hooks'>;
  /** All rules that may have frozen a pod; those of the settings unless given. */
  readonly hooks?: () => readonly HookRule[];
  readonly runtime: Runtime;
  readonly onWarning: (text: string) => void;
}

/** What came of pods that runs had left frozen. */
export interface ThawedPods {
  /** A sentence a pod. */
  readonly thawed: readonly string[];
  /** What could not be thawed. */
  readonly problems: readonly ItemProblem[];
}

/**
 * Remembers in the cluster which pods are frozen, so that a process which is killed between the hooks leaves none so for good. A note is a ConfigMap
 * of the service's namespace that names the pod. It holds no command: what is run is what the pod's own annotation says then, or the
 * configuration.
 */
export interface FrozenPods {
  /** Before the pod is frozen, which must not be where this fails. May be called twice. CLUSTER_ codes. */
  note(work: string, hook: PodHooks, signal: AbortSignal): Promise<void>;
  /** Once the pod is thawed; takes notes along with which earlier runs' pods could not be. Fails nothing: at worst it is thawed once more. */
  forget(work: string, hook: PodHooks): Promise<void>;
  /** Thaws what runs that are over have left frozen; finding out whether one is over takes up to 25 seconds. `own`: the run that asks. */
  thawLeft(options: { readonly own?: string; readonly signal: AbortSignal }): Promise<ThawedPods>;
  /** Thaws the pod of one note, and removes that. VOLUME_HOOK_FAILED. */
  thawNoted(name: string, signal: AbortSignal): Promise<void>;
}

interface Note {
  readonly name: string;
  readonly work: string;
  /** `namespace/name` */
  readonly pod: string;
  readonly uid: string;
  readonly since: string;
  /** That of the configuration which froze it. */
  readonly rule: string | undefined;
}

/** Of one pod. */
type Notes = readonly [Note, ...Note[]];

export function createFrozenPods(tools: FrozenTools): FrozenPods {
  const { objects, settings, installation } = tools;
  /** Notes whose pod could not be thawed, by the pod's UID. */
  const stuck = new Map<string, readonly string[]>();
  /** One thaw of a pod at a time. */
  const thawing = new Map<string, Promise<string | undefined>>();
  const remove = (name: string) =>
    cleanUp(tools, `configmaps ${settings.namespace}/${name}`, bound => objects.remove(configMaps, settings.namespace, name, bound));
  const read = (name: string, signal: AbortSignal) => objects.read(configMaps, settings.namespace, name, signal);
  const list = async (signal: AbortSignal) => {
    const where = { namespace: settings.namespace, labelSelector: `${volumeNames.workLabel},${volumeNames.roleLabel}=frozen` };
    return (await objects.list(configMaps, where, signal)).filter(note => !isForeign(note, installation)).map(noteOf);
  };

  /** Thaws the pod of all these notes, and removes them. What was done, if there was anything to do. */
  const thawPod = async (notes: Notes, signal: AbortSignal): Promise<string | undefined> => {
    const [note] = notes;
    const names = notes.map(({ name }) => name);
    const hook = await hookOf(tools, note, signal);
    const failure = hook === undefined ? undefined : await failureOf(hook, tools.pods);
    if (failure !== undefined) {
      // Somebody else was quicker, and what is not frozen cannot be thawed.
      if ((await read(note.name, signal)) === undefined) return undefined;
      stuck.set(note.uid, names);
      throw new HoldfastError('VOLUME_HOOK_FAILED', `${told(note)} and cannot be thawed: ${failure}`, {
        hint: `once it is thawed by hand, delete configmaps ${settings.namespace}/${note.name}`,
      });
    }
    await Promise.all(names.map(remove));
    return hook === undefined ? undefined : `${told(note)}: it is thawed now`;
  };
  const thaw = (notes: Notes, signal: AbortSignal): Promise<string | undefined> => {
    const { uid } = notes[0];
    const running = thawing.get(uid) ?? thawPod(notes, signal).finally(() => thawing.delete(uid));
    thawing.set(uid, running);
    return running;
  };

  /** The lease goes, so that nobody has to find that out again. */
  const ended = async (work: string, signal: AbortSignal): Promise<boolean> => {
    if (!(await workEnded(tools, work, signal))) return false;
    const name = workLeaseName(work);
    await cleanUp(tools, `lease ${name}`, bound => objects.remove(leases, settings.namespace, name, bound));
    return true;
  };

  /** By pod, the notes of runs that are over. */
  const left = async (meant: (note: Note) => boolean, signal: AbortSignal): Promise<readonly Notes[]> => {
    const works = new Set((await list(signal)).filter(meant).map(({ work }) => work));
    const over = new Set<string>();
    await Promise.all([...works].map(async work => ((await ended(work, signal)) ? over.add(work) : undefined)));
    const byPod = new Map<string, Notes>();
    // Anew, for others may have thawed them meanwhile.
    for (const note of over.size === 0 ? [] : await list(signal)) {
      if (meant(note) && over.has(note.work)) byPod.set(note.uid, [...(byPod.get(note.uid) ?? []), note] as Notes);
    }
    return [...byPod.values()];
  };

  return {
    note: async (work, hook, signal) => {
      await objects.ensure(configMaps, noteObject(work, hook, tools), signal);
    },
    forget: async (work, hook) => {
      await Promise.all([noteName(work, hook), ...(stuck.get(hook.uid) ?? [])].map(remove));
      stuck.delete(hook.uid);
    },
    thawLeft: async ({ own = '', signal }) => {
      const all = await left(({ work }) => work !== labelValue(own), signal);
      const results = await Promise.all(all.map(notes => thaw(notes, signal).catch(problemOf(notes[0], signal))));
      return {
        thawed: results.filter(result => typeof result === 'string'),
        problems: results.filter(result => typeof result === 'object'),
      };
    },
    thawNoted: async (name, signal) => {
      const found = await read(name, signal);
      if (found === undefined) return;
      const { uid, work, pod } = noteOf(found);
      for (const notes of await left(note => note.uid === uid, signal)) await thaw(notes, signal);
      if ((await read(name, signal)) === undefined) return;
      throw new HoldfastError('VOLUME_HOOK_FAILED', `${work}, which has frozen pods ${pod}, is still at work`);
    },
  };
}

async function failureOf(hook: PodHooks, pods: PodApi): Promise<string | undefined> {
  if (hook.thaw.length === 0)
    return `it does not run, or its annotation ${volumeNames.thawAnnotation} is gone and no rule of the configuration says how`;
  return await runThaw(hook, pods);
}

function problemOf({ pod }: Note, signal: AbortSignal): (thrown: unknown) => ItemProblem {
  return thrown => {
    signal.throwIfAborted();
    const { code, message, hint } = asHoldfastError(thrown);
    return { item: `pods ${pod}`, code, message: code === 'VOLUME_HOOK_FAILED' ? `${message}; ${hint}` : message };
  };
}

function told({ pod, work, since }: Note): string {
  return `pods ${pod} was left frozen by ${work}, since ${since}`;
}

/** The hooks of the pod that is meant; undefined where it is gone, and whatever was frozen in it too. */
async function hookOf(
  { objects, settings, hooks }: FrozenTools,
  { pod, uid, rule }: Note,
  signal: AbortSignal,
): Promise<PodHooks | undefined> {
  const [namespace = '', name = ''] = pod.split('/');
  const found = name === '' ? undefined : await objects.read(pods, namespace, name, signal);
  const phase = stringAt(found, 'status', 'phase');
  if (found === undefined || stringAt(found, 'metadata', 'uid') !== uid || phase === 'Succeeded' || phase === 'Failed') return undefined;
  const none = { container: '', quiesce: [], thaw: [], timeoutMs: 0, onError: 'fail', from: 'annotations' } as const;
  const hooksOf = compileHooks({ ...settings, ...(hooks !== undefined && { hooks: hooks() }) });
  return hooksOf(found, rule) ?? { namespace, name, uid, ...none };
}

function noteName(work: string, { namespace, name }: PodHooks): string {
  return `holdfast-frozen-${shortDigest(`${labelValue(work)} ${namespace}/${name}`)}`;
}

function noteObject(work: string, hook: PodHooks, { settings, installation, runtime }: FrozenTools): object {
  const labels = {
    'app.kubernetes.io/name': 'holdfast',
    [volumeNames.workLabel]: labelValue(work),
    [volumeNames.roleLabel]: 'frozen',
    ...(installation !== undefined && { [volumeNames.installationLabel]: installation }),
  };
  return {
    metadata: { name: noteName(work, hook), namespace: settings.namespace, labels },
    data: {
      pod: `${hook.namespace}/${hook.name}`,
      uid: hook.uid,
      container: hook.container,
      thaw: hook.from === 'annotations' ? `annotation ${volumeNames.thawAnnotation}` : 'a rule of hooks in the configuration',
      ...(hook.rule !== undefined && { rule: hook.rule }),
      since: runtime.now().toISOString(),
    },
  };
}

function noteOf(object: JsonObject): Note {
  return {
    name: stringAt(object, 'metadata', 'name') ?? '',
    work: stringAt(object, 'metadata', 'labels', volumeNames.workLabel) ?? '',
    pod: stringAt(object, 'data', 'pod') ?? '',
    uid: stringAt(object, 'data', 'uid') ?? '',
    since: stringAt(object, 'data', 'since') ?? 'some time ago',
    rule: stringAt(object, 'data', 'rule'),
  };
}
