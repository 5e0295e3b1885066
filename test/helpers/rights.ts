import { readFile } from 'node:fs/promises';
import { at, isObject, type Json, type JsonObject, parseJson, stringAt } from '../../src/domain/json.ts';

/** One verb on one resource, as a rule of a Role or ClusterRole gives it. */
export interface Right {
  /** `Role holdfast-volumes/holdfast-volumes`, `ClusterRole holdfast-backup` */
  readonly role: string;
  /** Empty: in the whole cluster. */
  readonly namespace: string;
  readonly group: string;
  /** With its subresource: `pods/log`. */
  readonly resource: string;
  /** Empty: whatever its name. */
  readonly name: string;
  readonly verb: string;
}

/** A request as the API server wrote it to its audit log. */
export interface AuditedRequest {
  readonly at: Date;
  readonly user: string;
  readonly verb: string;
  readonly group: string;
  readonly resource: string;
  readonly namespace: string;
  readonly name: string;
  readonly status: number;
  readonly uri: string;
}

/** The rights that the Roles and ClusterRoles among these objects give, one by one. */
export function rightsIn(objects: readonly JsonObject[]): Right[] {
  return objects.flatMap(object => {
    const [kind, namespace, name] = [stringAt(object, 'kind') ?? '', stringAt(object, 'metadata', 'namespace') ?? '', nameOf(object)];
    if (kind !== 'Role' && kind !== 'ClusterRole') return [];
    const role = kind === 'Role' ? `${kind} ${namespace}/${name}` : `${kind} ${name}`;
    return objectsAt(object, 'rules').flatMap(rule => {
      const names = textsAt(rule, 'resourceNames');
      return textsAt(rule, 'apiGroups').flatMap(group =>
        textsAt(rule, 'resources').flatMap(resource =>
          (names.length === 0 ? [''] : names).flatMap(one =>
            textsAt(rule, 'verbs').map(verb => ({ role, namespace, group, resource, name: one, verb })),
          ),
        ),
      );
    });
  });
}

/** For a message, and as a key of a table. */
export function rightText({ role, group, resource, name, verb }: Right): string {
  return `${role}: ${verb} ${resource}${group === '' ? '' : `.${group}`}${name === '' ? '' : ` ${name}`}`;
}

export function gives(right: Right, request: AuditedRequest): boolean {
  return (
    right.verb === request.verb &&
    [request.group, '*'].includes(right.group) &&
    [request.resource, '*'].includes(right.resource) &&
    [request.name, ''].includes(right.name) &&
    [request.namespace, ''].includes(right.namespace)
  );
}

/** Those that no request made use of: one for what is not there, or for what is there already, does. */
export function unused(rights: readonly Right[], requests: readonly AuditedRequest[]): Right[] {
  return rights.filter(right => !requests.some(request => request.status !== 403 && gives(right, request)));
}

/** What an API server is started with, so that it writes down what one user asks for, each request once. */
export function auditPolicy(user: string): string {
  const rules = [{ level: 'Metadata', users: [user], omitStages: ['RequestReceived', 'ResponseStarted'] }, { level: 'None' }];
  return JSON.stringify({ apiVersion: 'audit.k8s.io/v1', kind: 'Policy', rules });
}

/** Requests on resources; a watch is there once it has ended. */
export async function auditedRequests(file: string): Promise<AuditedRequest[]> {
  const lines = (await readFile(file, 'utf8')).split('\n').filter(line => line !== '');
  return lines.flatMap(line => {
    const event = parseJson(line);
    const of = at(event, 'objectRef');
    if (!isObject(of)) return [];
    const subresource = stringAt(of, 'subresource');
    const status = at(event, 'responseStatus', 'code');
    return [
      {
        at: new Date(stringAt(event, 'requestReceivedTimestamp') ?? ''),
        user: stringAt(event, 'user', 'username') ?? '',
        verb: stringAt(event, 'verb') ?? '',
        group: stringAt(of, 'apiGroup') ?? '',
        resource: `${stringAt(of, 'resource') ?? ''}${subresource === undefined ? '' : `/${subresource}`}`,
        namespace: stringAt(of, 'namespace') ?? '',
        name: stringAt(of, 'name') ?? '',
        status: typeof status === 'number' ? status : 0,
        uri: stringAt(event, 'requestURI') ?? '',
      },
    ];
  });
}

function nameOf(object: JsonObject): string {
  return stringAt(object, 'metadata', 'name') ?? '';
}

function objectsAt(object: JsonObject, key: string): JsonObject[] {
  const list: Json | undefined = object[key];
  return Array.isArray(list) ? list.filter(isObject) : [];
}

function textsAt(object: JsonObject, key: string): string[] {
  const list: Json | undefined = object[key];
  return Array.isArray(list) ? list.filter(one => typeof one === 'string') : [];
}
