import { resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { HoldfastError } from '../domain/errors.ts';
import { checkKey } from './keys.ts';

export interface FileLocation {
  readonly kind: 'file';
  /** Absolute. */
  readonly path: string;
}

export interface S3Location {
  readonly kind: 's3';
  readonly bucket: string;
  /** Without slashes at its ends; empty for the whole bucket. */
  readonly prefix: string;
  readonly endpoint?: string;
  readonly region?: string;
  readonly forcePathStyle?: boolean;
}

/** Where a repository lives. Credentials are never part of it. */
export type Location = FileLocation | S3Location;

const forms = 'write a directory (/backups, file:///backups) or s3://bucket/prefix?endpoint=https://host&region=name&pathStyle=true';

function invalid(message: string, hint = forms): HoldfastError {
  return new HoldfastError('CONFIG_INVALID', `location: ${message}`, { hint });
}

/**
 * `file:///path`, a path (a relative one is taken from `cwd`), or `s3://bucket/prefix` with the parameters `endpoint`, `region` and
 * `pathStyle`. CONFIG_INVALID says what to write; a user and password in the URL are refused and not repeated.
 */
export function parseLocation(text: string, cwd: string = process.cwd()): Location {
  const trimmed = text.trim();
  if (trimmed === '') throw invalid('it is empty');
  const scheme = /^([a-z][a-z0-9+.-]*):/i.exec(trimmed)?.[1]?.toLowerCase();
  if (scheme === undefined) return { kind: 'file', path: resolve(cwd, trimmed) };
  if (scheme === 'file') return { kind: 'file', path: parseFileUrl(trimmed) };
  if (scheme === 's3') return parseS3(trimmed);
  throw invalid(`${scheme}: is no kind of location`);
}

function parseUrl(text: string): URL {
  const url = URL.parse(text);
  if (url === null) throw invalid('it is no valid URL');
  if (url.username !== '' || url.password !== '') throw invalid('credentials do not belong in it', credentialsHint);
  if (url.hash !== '') throw invalid('it has a # part');
  return url;
}
const credentialsHint = 'take them out of the URL, and set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY or name a profile with AWS_PROFILE';

function parseFileUrl(text: string): string {
  const url = parseUrl(text);
  if (!text.toLowerCase().startsWith('file:///')) throw invalid('a file URL has three slashes: file:///path');
  if (url.search !== '') throw invalid('a file URL has no parameters');
  try {
    return fileURLToPath(url);
  } catch {
    throw invalid('the path of the file URL is not valid');
  }
}

function parseS3(text: string): S3Location {
  const url = parseUrl(text);
  const bucket = url.hostname;
  if (!/^[A-Za-z0-9][A-Za-z0-9._-]{1,253}[A-Za-z0-9]$/.test(bucket)) {
    throw invalid(bucket === '' ? 'after s3:// comes no bucket name' : `${JSON.stringify(bucket)} after s3:// is no bucket name`);
  }
  if (url.port !== '') throw invalid('a port belongs to the endpoint, not to the bucket');
  const prefix = decodePrefix(url.pathname);
  const known = new Set(['endpoint', 'region', 'pathStyle']);
  for (const name of url.searchParams.keys()) if (!known.has(name)) throw invalid(`${name} is no parameter of it`);
  const endpoint = url.searchParams.get('endpoint');
  const region = url.searchParams.get('region');
  const pathStyle = url.searchParams.get('pathStyle');
  if (pathStyle !== null && pathStyle !== 'true' && pathStyle !== 'false') throw invalid('pathStyle is true or false');
  return {
    kind: 's3',
    bucket,
    prefix,
    ...(endpoint === null ? {} : { endpoint: checkEndpoint(endpoint) }),
    ...(region === null ? {} : { region }),
    ...(pathStyle === null ? {} : { forcePathStyle: pathStyle === 'true' }),
  };
}

function decodePrefix(pathname: string): string {
  try {
    const prefix = decodeURIComponent(pathname).replace(/^\/|\/$/g, '');
    if (prefix !== '') checkKey(prefix);
    return prefix;
  } catch {
    throw invalid('the prefix after the bucket is not valid');
  }
}

function checkEndpoint(text: string): string {
  const url = URL.parse(text);
  const plain =
    url !== null && (url.protocol === 'http:' || url.protocol === 'https:') && url.pathname === '/' && url.search + url.hash === '';
  if (!plain) throw invalid('the endpoint is no http:// or https:// address of a host, without a path');
  if (url.username !== '' || url.password !== '') throw invalid('credentials do not belong in it', credentialsHint);
  return url.origin;
}

/** The location as a person would write it; parsing it gives the same location. */
export function printable(location: Location): string {
  if (location.kind === 'file') return pathToFileURL(location.path).href;
  const parameters = new URLSearchParams();
  if (location.endpoint !== undefined) parameters.set('endpoint', location.endpoint);
  if (location.region !== undefined) parameters.set('region', location.region);
  if (location.forcePathStyle !== undefined) parameters.set('pathStyle', String(location.forcePathStyle));
  const prefix = location.prefix === '' ? '' : `/${location.prefix.split('/').map(encodeURIComponent).join('/')}`;
  // A colon and slashes may stand in a query as they are, and the address of an endpoint is to be read by people.
  const query = parameters.toString().replaceAll('%3A', ':').replaceAll('%2F', '/');
  return `s3://${location.bucket}${prefix}${query === '' ? '' : `?${query}`}`;
}
