import type { MoverAction, MoverFailure } from '../domain/mover.ts';
import { MoverFault } from './fault.ts';
import type { ResticEnd } from './restic.ts';

/** Exit codes that restic has documented since 0.17. */
export const resticExits = { incomplete: 3, repositoryMissing: 10, locked: 11, wrongPassword: 12, interrupted: 130 } as const;

/** Asking again helps nothing: restic itself would go on for 15 minutes. */
const hopeless =
  /InvalidAccessKeyId|SignatureDoesNotMatch|ExpiredToken|InvalidToken|TokenRefreshRequired|access key .*(?:does not exist|is invalid)|request signature we calculated does not match|token .*(?:is invalid|expired)/i;
const forbidden = new RegExp(
  `${hopeless.source}|AccessDenied|Access Denied|AllAccessDisabled|AccountProblem|403 Forbidden|no credentials found`,
  'i',
);
const missingBucket = /NoSuchBucket|bucket does not exist|InvalidBucketName|Bucket name cannot/i;
const unreachable =
  /connection refused|no such host|i\/o timeout|network is unreachable|no route to host|connection reset|broken pipe|server misbehaving|TLS handshake|x509:|dial tcp|Client\.Timeout|(?<!unexpected )EOF$|SlowDown|ServiceUnavailable|503 Service|502 Bad|InternalError|XMinio|Server not initialized/i;
const damaged =
  /ciphertext verification failed|hash mismatch|invalid data returned|does not match the (?:id|hash)|repository contains errors|(?:blob|pack|tree|index|file) .*(?:not found|damaged|invalid|corrupt|does not exist|missing)|failed to load (?:blob|tree|index|pack)|(?:load|decrypt)ing .* failed|unable to (?:load|decrypt)|zstd|unexpected EOF|invalid (?:header|packs?)|not contained in|key does not exist|file is too short|InvalidRange|(?:Load|ReadFull)\(<\w+\/\w+>.*no such file|repository is damaged/i;
const full = /no space left on device|disk quota exceeded|file too large/i;
const unreadable =
  /input\/output error|structure needs cleaning|stale (?:NFS )?file handle|transport endpoint is not connected|read-only file system|no such device/i;
const noSnapshot = /no matching ID found|no snapshot found|failed to find snapshot|snapshot .*(?:does not exist|not found)/i;

/** The program that restic reads a device through gave up, which it does when it cannot read. */
const readerFailed = /command failed: exit status/;
const readerWords = /^subprocess \S+: (.*)/;

/** Nothing that restic does later will help: who sees this ends it. */
export function isHopeless(text: string): boolean {
  return hopeless.test(text) || missingBucket.test(text);
}

export function isVolumeFull(text: string): boolean {
  return full.test(text);
}

/** A failed run of restic in a mover's words: by its exit code, else by what it said. */
export function faultOf(end: ResticEnd, action: MoverAction): MoverFault {
  return new MoverFault(codeOf(end, action), messageOf(end));
}

function codeOf(end: ResticEnd, action: MoverAction): MoverFailure {
  const said = [end.exitText, ...end.items.map(item => item.text), ...end.trouble].filter(text => text !== '');
  const any = (pattern: RegExp) => said.some(text => pattern.test(text));
  const writesVolume = action === 'restore';
  if (end.code === resticExits.wrongPassword) return 'wrong-password';
  if (end.code === resticExits.locked) return 'locked';
  if (writesVolume && end.items.some(item => full.test(item.text))) return 'volume-full';
  if (readerFailed.test(end.exitText)) return 'volume-unreadable';
  if (end.items.some(item => item.item !== '' && unreadable.test(item.text))) return 'volume-unreadable';
  if (end.code === resticExits.incomplete) return 'incomplete';
  if (any(forbidden)) return 'store-forbidden';
  if (any(missingBucket)) return 'store-unreachable';
  if (any(noSnapshot)) return 'snapshot-missing';
  // Of a store that ends a connection, and of one that has damaged data, restic may say the same: what it said of the network decides.
  if (end.unanswered || any(unreachable)) return 'store-unreachable';
  if (end.code === resticExits.repositoryMissing) return action === 'backup' ? 'repository-damaged' : 'snapshot-missing';
  if (any(damaged)) return 'repository-damaged';
  if (end.code === resticExits.interrupted) return 'interrupted';
  if (writesVolume && end.items.length > 0) return 'incomplete';
  return 'failed';
}

const mostNames = 5;

function messageOf(end: ResticEnd): string {
  const reader = end.trouble.map(line => readerWords.exec(line)?.[1]).find(words => words !== undefined);
  if (reader !== undefined && readerFailed.test(end.exitText)) return `the device cannot be read: ${reader}`;
  const named = end.items.slice(0, mostNames).map(({ item, text }) => (item === '' || text.includes(item) ? text : `${item}: ${text}`));
  const more = end.itemCount > named.length ? [`and ${end.itemCount - named.length} more`] : [];
  const words = [...(end.exitText === '' ? [] : [end.exitText]), ...named, ...more];
  if (words.length > 0) return words.join('; ');
  return end.trouble.at(-1) ?? (end.code < 0 ? 'restic was killed, perhaps for want of memory' : `restic ended with exit code ${end.code}`);
}
