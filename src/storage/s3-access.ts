import { HoldfastError } from '../domain/errors.ts';
import type { RepositoryAccess } from '../domain/repository-access.ts';
import type { Location, S3Location } from './location.ts';
import type { S3Credentials } from './s3-client.ts';
import { s3Error } from './s3-errors.ts';

export interface AccessOptions {
  readonly location: Location;
  /** Address of the store as pods reach it, where it is another one. */
  readonly endpoint?: string;
  /** PEM of authorities that the image does not know. */
  readonly ca?: string;
}

interface IssueOptions {
  readonly write: boolean;
  /** With `write`: what may be deleted, as beginnings of keys below the prefix; only locks unless told, everything by an empty one. */
  readonly remove?: readonly string[];
  readonly seconds: number;
  readonly signal: AbortSignal;
}

export interface PrefixIssuer {
  issue(key: string, options: IssueOptions): Promise<RepositoryAccess>;
}

export interface StsOptions extends AccessOptions {
  /** Needed on AWS; other servers give their callers' own rights. */
  readonly roleArn?: string;
  /** The SDK's default chain unless given. */
  readonly credentials?: S3Credentials;
}

/** AWS's limits of a session; MinIO's are wider. */
const [leastSeconds, mostSeconds] = [900, 43_200];
/** Of no meaning to servers that are not AWS, and yet required. */
const anyRole = 'arn:aws:iam::000000000000:role/holdfast';
const defaultRegion = 'us-east-1';

const secretHint = 'name a Secret with credentials for movers: volumes.access.mode: secret';

/** Credentials of their own for every prefix, by STS AssumeRole with a session policy. CONFIG_INVALID for a location that no pod can reach. */
export function createStsAccess(options: StsOptions): PrefixIssuer {
  return {
    issue: async (key, { write, remove = ['locks/'], seconds, signal }) => {
      const location = reachable(options.location);
      if (location.endpoint === undefined && options.roleArn === undefined) {
        throw new HoldfastError('CONFIG_INVALID', 'volumes.access.roleArn is not set: on AWS movers get their credentials from a role', {
          hint: `set it to a role that the service may assume, or ${secretHint}`,
        });
      }
      const { STSClient, AssumeRoleCommand } = await import('@aws-sdk/client-sts');
      const { endpoint, region, roleArn, credentials } = { ...location, ...options, endpoint: location.endpoint };
      const client = new STSClient({
        ...(endpoint !== undefined && { endpoint }),
        ...(credentials !== undefined && { credentials }),
        ...(endpoint !== undefined || region !== undefined ? { region: region ?? defaultRegion } : {}),
        maxAttempts: 3,
      });
      const doing = `assuming a role for ${key}`;
      try {
        const command = new AssumeRoleCommand({
          RoleArn: roleArn ?? anyRole,
          RoleSessionName: 'holdfast-mover',
          DurationSeconds: Math.min(mostSeconds, Math.max(leastSeconds, Math.ceil(seconds))),
          Policy: JSON.stringify(policyFor(location, key, write ? { remove } : undefined)),
        });
        const { Credentials: got } = await client.send(command, { abortSignal: signal });
        const { AccessKeyId: accessKeyId, SecretAccessKey: secretAccessKey, SessionToken: sessionToken } = got ?? {};
        if (accessKeyId === undefined || secretAccessKey === undefined || sessionToken === undefined) {
          throw new HoldfastError('STORE_ERROR', `${doing}: the answer has no credentials`);
        }
        return { ...addressOf(options, location, key), accessKeyId, secretAccessKey, sessionToken };
      } catch (thrown) {
        signal.throwIfAborted();
        const error = s3Error(thrown, doing, location.bucket);
        throw error.code === 'STORE_FORBIDDEN' ? new HoldfastError(error.code, error.message, { hint: forbiddenHint }) : error;
      } finally {
        client.destroy();
      }
    },
  };
}

const forbiddenHint = `let the service call sts:AssumeRole for as long as volumes.mover.timeout, or ${secretHint}`;

/** The same credentials for every prefix, from wherever `read` gets them: it is asked each time. */
export function createFixedAccess(
  options: AccessOptions & { readonly read: (signal: AbortSignal) => Promise<S3Credentials> },
): PrefixIssuer {
  return {
    issue: async (key, { signal }) => {
      const location = reachable(options.location);
      return { ...addressOf(options, location, key), ...(await options.read(signal)) };
    },
  };
}

function reachable(location: Location): S3Location {
  if (location.kind === 's3') return location;
  throw new HoldfastError('CONFIG_INVALID', 'the location is a folder of the machine that Holdfast runs on: no pod can reach it', {
    hint: 'keep the repository in an S3 bucket to have the data of volumes in it, or take only snapshots',
  });
}

function addressOf({ endpoint, ca }: AccessOptions, location: S3Location, key: string): Pick<RepositoryAccess, 'url' | 'options' | 'ca'> {
  const { bucket, region = defaultRegion, forcePathStyle } = location;
  const server = endpoint ?? location.endpoint ?? `https://s3.${region}.amazonaws.com${region.startsWith('cn-') ? '.cn' : ''}`;
  const pathStyle = forcePathStyle ?? (endpoint ?? location.endpoint) !== undefined;
  return {
    url: `s3:${server.replace(/\/+$/, '')}/${bucket}/${fullKey(location, key).replace(/\/$/, '')}`,
    options: [`s3.region=${region}`, `s3.bucket-lookup=${pathStyle ? 'path' : 'dns'}`],
    ...(ca !== undefined && { ca }),
  };
}

/** With a slash at its end, so that `workspace` is no beginning of `workspace-2`. */
function fullKey({ prefix }: S3Location, key: string): string {
  return `${prefix === '' ? '' : `${prefix}/`}${key}`;
}

/**
 * One prefix, and of it everything but the sealed password, which is put there by the service and stays as it is. Without `writing` it is only read.
 */
function policyFor(location: S3Location, key: string, writing: { readonly remove: readonly string[] } | undefined): object {
  const bucket = `arn:${partitionOf(location.region)}:s3:::${location.bucket}`;
  const prefix = fullKey(location, key);
  const allow = (actions: readonly string[], resources: readonly string[]) => ({ Effect: 'Allow', Action: actions, Resource: resources });
  const writes = writing === undefined ? [] : ['s3:PutObject', 's3:AbortMultipartUpload'];
  const removable = (writing?.remove ?? []).map(begin => `${bucket}/${prefix}${begin}*`);
  return {
    Version: '2012-10-17',
    Statement: [
      allow(['s3:GetObject', ...writes], [`${bucket}/${prefix}*`]),
      ...(removable.length > 0 ? [allow(['s3:DeleteObject'], removable)] : []),
      { ...allow(['s3:ListBucket'], [bucket]), Condition: { StringLike: { 's3:prefix': [`${prefix}*`] } } },
      { Effect: 'Deny', Action: ['s3:PutObject', 's3:DeleteObject'], Resource: [`${bucket}/${prefix}password*`] },
    ],
  };
}

function partitionOf(region = defaultRegion): string {
  if (region.startsWith('cn-')) return 'aws-cn';
  return region.startsWith('us-gov-') ? 'aws-us-gov' : 'aws';
}
