import type { PodApi } from '../cluster/pod-api.ts';
import { parseDuration } from '../domain/duration.ts';
import { asHoldfastError } from '../domain/errors.ts';
import type { HookFailure, HookRule } from '../domain/hook-rule.ts';
import { at, isObject, type JsonObject, parseJson, stringAt } from '../domain/json.ts';
import { labelMatcher } from '../domain/label-selector.ts';
import { redactText } from '../domain/redact-text.ts';
import { globToRegExp } from '../domain/selection.ts';
import { volumeNames } from '../domain/volume.ts';
import type { VolumeSettings } from '../domain/volume-settings.ts';
import { shortDigest } from './labels.ts';

/** What to run in a pod around the snapshots of its claims. */
export interface PodHooks {
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
  readonly container: string;
  /** Words of a command; empty for none. */
  readonly quiesce: readonly string[];
  readonly thaw: readonly string[];
  readonly timeoutMs: number;
  readonly onError: HookFailure;
  readonly from: 'annotations' | 'configuration';
  /** Tells the rule of the configuration from all others. */
  readonly rule?: string;
}

export type HookSettings = Pick<VolumeSettings, 'hookTimeoutMs' | 'hooks'>;

/**
 * The hooks of a pod that runs: what its annotations say, else the first rule of the configuration that chooses it; undefined where it has none.
 * `rule`: one that comes before all others, if it is still there.
 */
export type HooksOf = (pod: JsonObject, rule?: string) => PodHooks | undefined;

/** Reads globs and selectors once, for however many pods. */
export function compileHooks({ hookTimeoutMs, hooks = [] }: HookSettings): HooksOf {
  const rules = hooks.map(rule => ({ rule, digest: digestOf(rule), chooses: chooserOf(rule) }));
  return (pod, meant) => {
    if (stringAt(pod, 'status', 'phase') !== 'Running') return undefined;
    const containers = at(pod, 'spec', 'containers');
    const first = Array.isArray(containers) ? stringAt(containers[0], 'name') : undefined;
    const place = {
      namespace: stringAt(pod, 'metadata', 'namespace') ?? '',
      name: stringAt(pod, 'metadata', 'name') ?? '',
      uid: stringAt(pod, 'metadata', 'uid') ?? '',
    };
    const annotation = (name: string) => stringAt(pod, 'metadata', 'annotations', name);
    const [quiesce, thaw] = [annotation(volumeNames.quiesceAnnotation), annotation(volumeNames.thawAnnotation)];
    if (quiesce !== undefined || thaw !== undefined) {
      return {
        ...place,
        container: annotation(volumeNames.hookContainerAnnotation) ?? first ?? '',
        ...{ quiesce: commandOf(quiesce), thaw: commandOf(thaw) },
        timeoutMs: parseDuration(annotation(volumeNames.hookTimeoutAnnotation) ?? '') ?? hookTimeoutMs,
        onError: annotation(volumeNames.hookOnErrorAnnotation) === 'continue' ? 'continue' : 'fail',
        from: 'annotations',
      };
    }
    const labels = at(pod, 'metadata', 'labels');
    const chosen = () => rules.find(({ chooses }) => chooses(place.namespace, isObject(labels) ? labels : {}));
    const found = rules.find(({ digest }) => digest === meant) ?? chosen();
    if (found === undefined) return undefined;
    const { container = first ?? '', timeoutMs = hookTimeoutMs, onError, quiesce: words, thaw: back } = found.rule;
    return { ...place, container, quiesce: words, thaw: back, timeoutMs, onError, from: 'configuration', rule: found.digest };
  };
}

function digestOf({ namespaces, labelSelector, container, quiesce, thaw, timeoutMs, onError }: HookRule): string {
  return shortDigest(JSON.stringify([namespaces, labelSelector, container, quiesce, thaw, timeoutMs, onError]));
}

function chooserOf({ namespaces, labelSelector }: HookRule): (namespace: string, labels: JsonObject) => boolean {
  const globs = namespaces.map(globToRegExp);
  const matches = labelMatcher(labelSelector);
  return (namespace, labels) => (globs.length === 0 || globs.some(glob => glob.test(namespace))) && matches(labels);
}

/** A JSON array of words as they are; anything else is a line for a shell. */
function commandOf(text: string | undefined): readonly string[] {
  if (text === undefined || text.trim() === '') return [];
  if (text.trim().startsWith('[')) {
    try {
      const words = parseJson(text);
      if (Array.isArray(words) && words.every(word => typeof word === 'string')) return words;
    } catch {
      // a line that begins with `[`, the test command
    }
  }
  return ['sh', '-c', text];
}

export interface HookContext {
  readonly pods: PodApi;
  readonly signal: AbortSignal;
}

/** A thaw that fails is tried again: an application that stays frozen is worse than a backup that failed. */
const thawTries = 3;

/** Runs the thaw hook, whatever the caller's signal says: who is interrupted thaws all the same. What went wrong, or undefined. */
export async function runThaw(hook: PodHooks, pods: PodApi): Promise<string | undefined> {
  let failure: string | undefined;
  for (let tries = 0; tries < thawTries; tries += 1) {
    failure = await runHook(hook, hook.thaw, { pods, signal: new AbortController().signal });
    if (failure === undefined) return undefined;
  }
  return `thaw hook: ${failure}; what the pod holds may still be frozen`;
}

/** Of the end of what a hook says; a secret that is longer is none that is known. */
const mostLookedAt = 8_000;

/** What went wrong with a command of a pod's hooks, or undefined. */
export async function runHook(hook: PodHooks, command: readonly string[], { pods, signal }: HookContext): Promise<string | undefined> {
  if (command.length === 0) return undefined;
  const where = `in pods ${hook.namespace}/${hook.name} (${hook.container})`;
  try {
    const { code, stdout, stderr } = await pods.exec(hook, command, { signal, timeoutMs: hook.timeoutMs });
    if (code === 0) return undefined;
    // It goes into records that are not sealed.
    const said = redactText((stderr.trim() || stdout.trim()).slice(-mostLookedAt)).slice(-300);
    return `${code < 0 ? 'the connection broke' : `exit code ${code}`} ${where}${said === '' ? '' : `: ${said}`}`;
  } catch (thrown) {
    const error = asHoldfastError(thrown);
    return error.code === 'TIMEOUT' ? `it did not end within ${hook.timeoutMs / 1000} s ${where}` : error.message;
  }
}
