import type { MoverRequest } from '../domain/mover.ts';
import { moverSecrets, terminationLog } from '../domain/mover.ts';
import type { RepositoryAccess } from '../domain/repository-access.ts';
import { volumeNames } from '../domain/volume.ts';
import type { MoverPod } from '../domain/volume-settings.ts';
import { claimAnnotations, shortDigest, workLabels } from './labels.ts';
import { type MoverTask, volumeDevice, volumeMount } from './ports.ts';

export interface JobOptions {
  /** Of the Job, its Secret and its pod's label. */
  readonly name: string;
  /** Whose it is. */
  readonly installation?: string | undefined;
  readonly task: MoverTask;
  readonly request: MoverRequest;
  readonly pod: MoverPod & { readonly image: string };
  /** Of who runs movers, and a number of theirs: no two of the same slot are on one node. */
  readonly slot: string;
  /** Nodes that it had better not run on. */
  readonly avoid: readonly string[];
  /** How long it may take to start, milliseconds. */
  readonly startMs: number;
}

/** On the pods of a mover: the name of its Job. */
export const jobLabel = 'holdfast.dev/job';
export const moverContainer = 'mover';
/** On the pods of a mover. */
const slotLabel = 'holdfast.dev/slot';

/** A node that says nothing for so long has lost the mover; the default would be five minutes. */
const lostNodeSeconds = 60;
const graceSeconds = 20;
const ttlSeconds = 600;
const unprivileged = 65532;

/** Reading everything as root needs one capability, giving files back to their owners a few; upkeep touches no files and needs none. */
const capabilities: Readonly<Record<MoverRequest['action'], readonly string[]>> = {
  backup: ['DAC_READ_SEARCH'],
  restore: ['CHOWN', 'DAC_OVERRIDE', 'DAC_READ_SEARCH', 'FOWNER', 'FSETID', 'MKNOD', 'SETFCAP'],
  forget: [],
  check: [],
  bind: [],
};

/** Labels of the Job and its pod; the Job's own selector is the API server's. */
export function jobLabels({ name, task, installation }: Pick<JobOptions, 'name' | 'task' | 'installation'>): Record<string, string> {
  const { work, role, subject, repository } = task;
  return {
    ...workLabels(work, role === 'backup' ? 'mover' : role, subject, installation),
    'app.kubernetes.io/component': 'mover',
    [jobLabel]: name,
    ...(repository !== undefined && { [volumeNames.repositoryLabel]: repositoryLabel(repository.key, installation) }),
  };
}

/** Repositories of two locations may have the same key. */
export function repositoryLabel(key: string, installation: string | undefined): string {
  return shortDigest(installation === undefined ? key : `${installation} ${key}`);
}

/** Suspended: it begins once the Secret lies there, which belongs to it from its first moment on. */
export function moverJob(options: JobOptions): object {
  const { name, task, pod, startMs } = options;
  const labels = jobLabels(options);
  const annotations = claimAnnotations(task.subject);
  return {
    metadata: { name, namespace: task.namespace, labels, annotations },
    spec: {
      suspend: true,
      backoffLimit: 0,
      activeDeadlineSeconds: Math.ceil((pod.timeoutMs + startMs) / 1000) + 60,
      ttlSecondsAfterFinished: ttlSeconds,
      template: { metadata: { labels: { ...labels, [slotLabel]: options.slot }, annotations }, spec: podSpec(options) },
    },
  };
}

function podSpec({ name, task, request, pod, slot, avoid }: JobOptions): object {
  const added = capabilities[request.action];
  const root = added.length > 0;
  const secret = task.repository !== undefined;
  return {
    restartPolicy: 'Never',
    automountServiceAccountToken: false,
    enableServiceLinks: false,
    terminationGracePeriodSeconds: graceSeconds,
    ...(pod.priorityClassName !== undefined && { priorityClassName: pod.priorityClassName }),
    ...(task.node === undefined && Object.keys(pod.nodeSelector).length > 0 && { nodeSelector: pod.nodeSelector }),
    ...placement(task, slot, avoid),
    securityContext: {
      ...(root ? { runAsUser: 0, runAsGroup: 0 } : { runAsUser: unprivileged, runAsGroup: unprivileged, runAsNonRoot: true }),
      // Never with a claim: the kubelet would change the group of every file in it.
      ...(!root && secret && task.claim === undefined && { fsGroup: unprivileged }),
      seccompProfile: { type: 'RuntimeDefault' },
    },
    containers: [
      {
        name: moverContainer,
        ...{ image: pod.image, imagePullPolicy: pod.imagePullPolicy, args: ['mover', literalArgument(JSON.stringify(request))] },
        terminationMessagePath: terminationLog,
        terminationMessagePolicy: 'File',
        resources: pod.resources,
        securityContext: {
          allowPrivilegeEscalation: false,
          readOnlyRootFilesystem: true,
          capabilities: { drop: ['ALL'], ...(root && { add: added }) },
        },
        ...mounts(task.claim, secret),
      },
    ],
    volumes: [
      { name: 'tmp', emptyDir: {} },
      ...(secret ? [{ name: 'secrets', secret: { secretName: name, defaultMode: 0o400 } }] : []),
      // `readOnly` here would have the driver attach the device read-only, on which no journal can be replayed.
      ...(task.claim === undefined ? [] : [{ name: 'data', persistentVolumeClaim: { claimName: task.claim.name } }]),
    ],
  };
}

/**
 * In arguments the kubelet makes `$` of `$$` and puts variables in the place of `$(NAME)` (kubernetes.io, "Define a Command and Arguments for a Container"):
 * files may have such names.
 */
export function literalArgument(text: string): string {
  return text.replaceAll('$', '$$$$');
}

function mounts(claim: MoverTask['claim'], secret: boolean): object {
  const files = claim?.mode === 'Filesystem' ? [{ name: 'data', mountPath: volumeMount, readOnly: claim.readOnly }] : [];
  return {
    volumeMounts: [
      { name: 'tmp', mountPath: '/tmp' },
      ...(secret ? [{ name: 'secrets', mountPath: moverSecrets.dir, readOnly: true }] : []),
      ...files,
    ],
    ...(claim?.mode === 'Block' && { volumeDevices: [{ name: 'data', devicePath: volumeDevice }] }),
  };
}

/**
 * A node that has the volume is named; otherwise movers keep apart, and away from where they did not get on. On none may two of one slot be, in
 * whatever namespace: one for which there is no room waits until another has ended. What another process has left is not waited for.
 */
function placement({ node }: MoverTask, slot: string, avoid: readonly string[]): object {
  const sameNumber = { matchLabels: { ...ofMovers, [slotLabel]: slot } };
  const podAntiAffinity = {
    requiredDuringSchedulingIgnoredDuringExecution: [
      { labelSelector: sameNumber, namespaceSelector: {}, topologyKey: 'kubernetes.io/hostname' },
    ],
  };
  if (node !== undefined) {
    const here = { matchFields: [{ key: 'metadata.name', operator: 'In', values: [node] }] };
    const nodeAffinity = { requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms: [here] } };
    return {
      affinity: { nodeAffinity, podAntiAffinity },
      // Where the workload was let in, its mover has to be.
      tolerations: [{ operator: 'Exists', effect: 'NoSchedule' }, ...lostNode],
    };
  }
  // The API takes one name a rule.
  const elsewhere = { matchFields: avoid.map(name => ({ key: 'metadata.name', operator: 'NotIn', values: [name] })) };
  const nodeAffinity = { preferredDuringSchedulingIgnoredDuringExecution: [{ weight: 100, preference: elsewhere }] };
  return {
    affinity: { ...(avoid.length > 0 && { nodeAffinity }), podAntiAffinity },
    topologySpreadConstraints: [
      {
        ...{ maxSkew: 1, topologyKey: 'kubernetes.io/hostname', whenUnsatisfiable: 'ScheduleAnyway' },
        labelSelector: { matchLabels: ofMovers },
      },
    ],
    tolerations: lostNode,
  };
}

const ofMovers = { 'app.kubernetes.io/name': 'holdfast', 'app.kubernetes.io/component': 'mover' };

const lostNode = ['not-ready', 'unreachable'].map(state => ({
  ...{ key: `node.kubernetes.io/${state}`, operator: 'Exists', effect: 'NoExecute', tolerationSeconds: lostNodeSeconds },
}));

/** What the pod may know, as files; it goes with the Job. */
export function moverSecret({ name, task, installation }: JobOptions, jobUid: string, access: RepositoryAccess): object {
  return {
    metadata: {
      ...{ name, namespace: task.namespace, labels: jobLabels({ name, task, installation }), annotations: claimAnnotations(task.subject) },
      ownerReferences: [{ apiVersion: 'batch/v1', kind: 'Job', name, uid: jobUid }],
    },
    type: 'Opaque',
    immutable: true,
    stringData: {
      [moverSecrets.password]: task.repository?.password ?? '',
      [moverSecrets.accessKeyId]: access.accessKeyId,
      [moverSecrets.secretAccessKey]: access.secretAccessKey,
      ...(access.sessionToken !== undefined && { [moverSecrets.sessionToken]: access.sessionToken }),
      ...(access.ca !== undefined && { [moverSecrets.ca]: access.ca }),
    },
  };
}
