import type { ClusterApi, Discovery } from '../cluster/cluster-api.ts';
import { isCode } from '../domain/errors.ts';
import { type JsonObject, parseJson, stringAt } from '../domain/json.ts';
import { mappedPlace, type NamespaceMapping } from '../domain/namespace-mapping.ts';
import { kindName, type ResourceKind } from '../domain/resource.ts';
import type { LiveObjects } from '../live/live-objects.ts';
import type { Found } from './found.ts';
import type { OwnerRecord, Scope } from './scope.ts';

/** `expected`: part of this restore, not there yet. `failed`: could not be restored. `none`: neither in the restore nor on the target. */
export type OwnerState = { readonly uid: string } | 'expected' | 'failed' | 'none';

export interface Relinked {
  /** References with the UIDs of the target. */
  readonly owners: readonly JsonObject[];
  /** UIDs of the set and of the target. */
  readonly uids: readonly (readonly [old: string, current: string])[];
  /** Owners that are still to come: their references are added afterwards. */
  readonly later: number;
  /** Names of owners that exist nowhere any more, whose references are left out. */
  readonly dropped: readonly string[];
  /** Name of an owner that should be there and is not. */
  readonly failed?: string;
}

export interface OwnersOptions {
  readonly cluster: ClusterApi;
  /** The newest: a restore brings kinds along. */
  readonly discovery: () => Discovery;
  readonly scope: Scope;
  readonly live: LiveObjects<Found>;
  readonly mapping: NamespaceMapping;
  readonly signal?: AbortSignal;
}

/** Which UID on the target stands for which one of the set. Remembers owners only. */
export class Owners {
  readonly #options: OwnersOptions;
  readonly #known = new Map<string, OwnerState>();
  readonly #asked = new Map<string, Promise<OwnerState>>();

  constructor(options: OwnersOptions) {
    this.#options = options;
  }

  isOwner(oldUid: string): boolean {
    return this.#options.scope.isOwner(oldUid);
  }

  /** States are only kept of objects that others name as their owner. */
  settle(oldUid: string, state: OwnerState): void {
    if (this.isOwner(oldUid)) this.#known.set(oldUid, state);
  }

  /** `namespace` is the dependent's, as the set calls it: an owner is in the same one, or in none. */
  async relink(references: readonly JsonObject[], namespace: string): Promise<Relinked> {
    const owners: JsonObject[] = [];
    const uids: [string, string][] = [];
    const dropped: string[] = [];
    let later = 0;
    let failed: string | undefined;
    for (const reference of references) {
      const state = await this.#resolve(reference, namespace);
      if (typeof state === 'object') {
        owners.push({ ...reference, uid: state.uid });
        uids.push([stringAt(reference, 'uid') ?? '', state.uid]);
      } else if (state === 'expected') later++;
      else if (state === 'failed') failed = nameOf(reference);
      else dropped.push(nameOf(reference));
    }
    return { owners, uids, later, dropped, ...(failed === undefined ? {} : { failed }) };
  }

  async #resolve(reference: JsonObject, namespace: string): Promise<OwnerState> {
    const oldUid = stringAt(reference, 'uid') ?? '';
    const known = this.#known.get(oldUid);
    if (known !== undefined) return known;
    const record = this.#options.scope.owner(oldUid);
    if (record !== undefined) {
      const { namespace: place, name } = mappedPlace(this.#options.mapping, record);
      const live = this.#options.live.get(record, place, name);
      if (live !== undefined && !live.deleting) return { uid: live.uid };
      if (this.#options.scope.rankOf(record) !== undefined) return 'expected';
    }
    const asked = this.#asked.get(oldUid) ?? this.#ask(reference, record, namespace);
    this.#asked.set(oldUid, asked);
    return asked;
  }

  /** An owner that this restore does not bring may still be on the target. */
  async #ask(reference: JsonObject, record: OwnerRecord | undefined, namespace: string): Promise<OwnerState> {
    const { cluster, discovery, mapping, signal } = this.#options;
    const kind = discovery().kinds.find(served =>
      record === undefined ? isKindOf(served, reference) : kindName(served) === kindName(record),
    );
    if (kind === undefined) return 'none';
    const own = record ?? {
      group: kind.group,
      resource: kind.resource,
      namespace: kind.namespaced ? namespace : '',
      name: nameIn(reference),
    };
    const place = mappedPlace(mapping, own);
    try {
      const text = await cluster.get(kind, place.namespace, place.name, signal === undefined ? {} : { signal });
      const uid = text === undefined ? undefined : stringAt(parseJson(text), 'metadata', 'uid');
      return uid === undefined ? 'none' : { uid };
    } catch (thrown) {
      if (isCode(thrown, 'CLUSTER_NOT_FOUND', 'CLUSTER_FORBIDDEN')) return 'none';
      throw thrown;
    }
  }
}

function isKindOf(kind: ResourceKind, reference: JsonObject): boolean {
  const [group, version] = (stringAt(reference, 'apiVersion') ?? '').split('/');
  return kind.group === (version === undefined ? '' : group) && kind.kind === stringAt(reference, 'kind');
}

function nameIn(reference: JsonObject): string {
  return stringAt(reference, 'name') ?? '';
}

function nameOf(reference: JsonObject): string {
  return `${stringAt(reference, 'kind') ?? ''} ${nameIn(reference)}`;
}
