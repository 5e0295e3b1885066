import * as z from 'zod';
import { operationKinds } from '../../domain/operation.ts';

// Texts that become part of keys, paths and messages have patterns, so that no request can say more than a name.

export const time = z.iso.datetime().describe('RFC 3339, UTC');
export const count = z.int().min(0);
export const sha256 = z.string().regex(/^[0-9a-f]{64}$/);

export const shortText = (most: number) => z.string().min(1).max(most);

/** Which set is meant. Begins with the digits of a year, so that no path can hide in it. */
export const setRef = shortText(96)
  .regex(/^(?:latest|\d{4}[0-9A-Za-z:+-]*(?:\.\d{1,9}(?:[Zz]|[+-]\d\d:\d\d)?)?)$/)
  .describe('an id, the beginning of one, `latest`, a day (`2026-11-20`) or an RFC 3339 time')
  .meta({ examples: ['latest'] });

export const setId = shortText(96)
  .regex(/^\d{8}T\d{6}Z-[a-z0-9]+(?:-[a-z0-9]+)*-[a-z0-9]{4}$/)
  .describe('the id of a set: `20261123T020000Z-daily-k3f9`');

/** Addresses of API servers have ports, and paths behind some proxies. */
export const clusterRef = shortText(253)
  .regex(/^[A-Za-z0-9][A-Za-z0-9.:/[\]_-]*$/)
  .describe(
    'whose sets a text may mean that is no id, where several clusters have some: `own` (the cluster of the service), the UID of a kube-system namespace or its beginning, or the address of an API server; to callers restricted to namespaces `own` alone',
  )
  .meta({ examples: ['own'] });

export const operationId = shortText(64)
  .regex(new RegExp(`^\\d{8}T\\d{6}Z-(?:${operationKinds.join('|')})-[a-z0-9]{4}$`))
  .describe('the id of an operation: `20261123T020000Z-backup-k3f9`');

export const ledgerSeq = shortText(15).regex(/^[1-9]\d*$/);

export const ledgerHead = shortText(80).regex(/^\d{1,8}:[0-9a-f]{64}$/);

export const label = shortText(63).regex(/^[a-z0-9]+(?:-[a-z0-9]+)*$/);

/** RFC 1123 label. */
export const namespaceName = shortText(63).regex(/^[a-z0-9](?:[-a-z0-9]*[a-z0-9])?$/);
export const claimName = shortText(253).regex(/^[a-z0-9](?:[-a-z0-9.]*[a-z0-9])?$/);
const objectName = shortText(253).regex(/^[a-z0-9](?:[-a-z0-9.]*[a-z0-9])?$/);

/** At most three stars: more make matching slow, and no name needs them. */
const glob = (most: number) => shortText(most).regex(/^[A-Za-z0-9.:_?-]*(?:\*[A-Za-z0-9.:_?-]*){0,3}$/);
const globs = (most: number) => z.array(glob(most)).max(1_000);

/** Of namespaces, with commas between. */
export const namespaceGlobs = shortText(8_000).regex(/^[a-z0-9*?-]{1,63}(?:,[a-z0-9*?-]{1,63}){0,99}$/);

// As `labelMatcher` reads them; here so that the description says what is accepted.
const requirement = [
  ' *[A-Za-z0-9_./-]+ +(?:in|notin) *\\([A-Za-z0-9_., -]+\\) *',
  ' *! *[A-Za-z0-9_./-]+ *',
  ' *[A-Za-z0-9_./-]+ *(?:(?:==|=|!=) *[A-Za-z0-9_.-]* *)?',
].join('|');
const labelSelector = z
  .string()
  .max(1_024)
  .regex(new RegExp(`^(?:(?:${requirement})(?:,(?:${requirement}))*)?$`));

/** A selection as a request gives it: what is left out takes everything. */
export const selectionRequest = z
  .strictObject({
    includeNamespaces: globs(63).exactOptional(),
    excludeNamespaces: globs(63).exactOptional(),
    includeKinds: globs(317).exactOptional(),
    excludeKinds: globs(317).exactOptional(),
    includeNames: globs(253).exactOptional(),
    labelSelector: labelSelector.exactOptional(),
    clusterScoped: z.enum(['auto', 'always', 'never']).exactOptional(),
  })
  .describe('What to take. Patterns are globs; an empty or absent list means everything.')
  .meta({ id: 'SelectionRequest' });
export type SelectionRequest = z.output<typeof selectionRequest>;

export const selection = z
  .object({
    includeNamespaces: z.array(z.string()),
    excludeNamespaces: z.array(z.string()),
    includeKinds: z.array(z.string()),
    excludeKinds: z.array(z.string()),
    labelSelector: z.string(),
    includeNames: z.array(z.string()),
    clusterScoped: z.enum(['auto', 'always', 'never']),
  })
  .meta({ id: 'Selection' });

export const namespaceMapping = z
  .record(namespaceName, namespaceName)
  .describe('Namespace in the set to namespace on the target. No two may become one.');

const className = shortText(253).regex(/^[a-z0-9][-a-z0-9.]*$/);
export const storageClasses = z.record(className, className).describe('Storage class in the set to storage class on the target.');

const quantity = shortText(64).regex(/^\d+(\.\d+)?([eE]\d+|[kMGTPE]i?|Ki)?$/);
export const volumeSize = quantity.describe('what the restored claim asks for, as in `20Gi`; never less than its data takes');
export const volumeSizes = z
  .record(shortText(320).regex(/^[a-z0-9][-a-z0-9]*\/[a-z0-9][-a-z0-9.]*$/), quantity)
  .describe('What restored claims ask for, by namespace/claim of the set; never less than their data takes.');

/** The API server of the service takes the bytes of `value` out before the body becomes text: what is parsed here is blank. */
export const identity = z
  .union([
    z.strictObject({ value: shortText(65_536).describe('the text of an age identity file; kept in memory only until the work has ended') }),
    z.strictObject({
      secret: z.strictObject({ namespace: namespaceName, name: objectName, key: shortText(253).regex(/^[-._a-zA-Z0-9]+$/) }),
    }),
    z.strictObject({
      file: shortText(128)
        .regex(/^[A-Za-z0-9][A-Za-z0-9._-]*$/)
        .describe('a file of the service’s folder for identities'),
    }),
  ])
  .describe('What opens a sealed set. Prefer `secret` or `file`: the identity then never travels.')
  .meta({ id: 'Identity' });

/** `id` is the schema of the ids of the list. */
export function pageQuery<Id extends z.ZodType>(id: Id) {
  return {
    limit: z.coerce.number<number | string>().int().min(1).max(500).default(100),
    continue: id.exactOptional().describe('from the answer before'),
  };
}

/** One page of a list, newest first. */
export function pageOf<Item extends z.ZodType>(id: string, item: Item) {
  return z
    .object({
      items: z.array(item),
      continue: z.string().exactOptional().describe('give it back as `continue` for the next page; absent on the last'),
    })
    .meta({ id });
}

export const problem = z
  .object({
    type: z.string().describe('`urn:holdfast:problem:` and the code'),
    title: z.string(),
    status: z.int().min(400).max(599),
    detail: z.string(),
    instance: z.string().describe('the path of the request'),
    code: z.string().describe('stable; docs/api.md names all'),
    hint: z.string().describe('what to do next'),
    errors: z
      .array(z.object({ pointer: z.string().describe('JSON pointer into body, query or params'), detail: z.string() }))
      .exactOptional(),
  })
  .describe('RFC 9457')
  .meta({ id: 'Problem' });
export type Problem = z.output<typeof problem>;
