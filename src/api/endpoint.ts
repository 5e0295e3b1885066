import type * as z from 'zod';

/** What rights are given on. Names are those of resources in `holdfast.dev`, so that a Kubernetes Role can name them. */
export const apiResources = [
  'backups',
  'restores',
  'verifications',
  'validations',
  'operations',
  'policies',
  'objectives',
  'retention',
  'holds',
  'ledger',
  'events',
] as const;
export type ApiResource = (typeof apiResources)[number];

/** `plan` looks into a set and at the cluster without changing anything, but takes an identity to do so. */
export const apiVerbs = ['get', 'list', 'watch', 'create', 'plan', 'update', 'delete'] as const;
export type ApiVerb = (typeof apiVerbs)[number];

export interface Access {
  readonly resource: ApiResource;
  readonly verb: ApiVerb;
}

/** One operation of the API: enough to serve it, to describe it and to call it. */
export interface Endpoint {
  readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE';
  /** Below `/api/v1`; parameters as `:name`. */
  readonly path: `/${string}`;
  /** Unique in the OpenAPI document: `listBackups`. */
  readonly id: string;
  readonly summary: string;
  readonly description?: string;
  /** The right that it takes; absent where being somebody is enough. */
  readonly access?: Access;
  /** May callers who are restricted to namespaces use it? Its handler then keeps them to these. */
  readonly tenants: boolean;
  readonly params?: z.ZodObject;
  readonly query?: z.ZodObject;
  readonly body?: z.ZodType;
  readonly success: { readonly status: 200 | 202 | 204; readonly schema: z.ZodType; readonly description: string };
  /** Statuses of problems that it can answer with besides those that every endpoint can. */
  readonly problems: readonly number[];
  /** Does the same only once for one `Idempotency-Key`. */
  readonly idempotent?: true;
  /** Its answer has an ETag, and `If-None-Match` is heeded. */
  readonly etag?: true;
  /** Answers with Server-Sent Events instead of JSON. */
  readonly stream?: true;
  /** Its answer may be large: it is sent as it was made, without another look by its schema, and its text is kept for as long as the answer itself is. */
  readonly large?: true;
  /** May take longer than other requests. */
  readonly slow?: true;
}

/** Keeps the exact types of the schemas. */
export function endpoint<const E extends Endpoint>(description: E): E {
  return description;
}

type Parsed<S> = S extends z.ZodType ? z.output<S> : undefined;
type Given<S> = S extends z.ZodType ? z.input<S> : undefined;
type Field<E, Name extends string> = E extends Readonly<Record<Name, infer S>> ? S : undefined;

/** What a handler gets: parsed, with defaults filled in. */
export type ParamsOf<E extends Endpoint> = Parsed<Field<E, 'params'>>;
export type QueryOf<E extends Endpoint> = Parsed<Field<E, 'query'>>;
export type BodyOf<E extends Endpoint> = Parsed<Field<E, 'body'>>;

/** What a client gives: defaults may be left out. */
export type GivenParams<E extends Endpoint> = Given<Field<E, 'params'>>;
export type GivenQuery<E extends Endpoint> = Given<Field<E, 'query'>>;
export type GivenBody<E extends Endpoint> = Plain<Given<Field<E, 'body'>>>;

/** As `T`, where nothing can be changed: what the domain hands out fits in. */
export type Plain<T> = T extends readonly (infer Item)[]
  ? readonly Plain<Item>[]
  : T extends object
    ? { readonly [Key in keyof T]: Plain<T[Key]> }
    : T;

export type AnswerOf<E extends Endpoint> = Plain<z.output<E['success']['schema']>>;
