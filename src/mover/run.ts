import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { MoverAction, MoverRequest, MoverResult } from '../domain/mover.ts';
import { backup } from './backup.ts';
import { MoverFault } from './fault.ts';
import type { MoverHost } from './host.ts';
import { containerMemory, goMemoryLimit } from './memory-limit.ts';
import { progressPrinter, statusTo } from './progress.ts';
import { parseRequest } from './request.ts';
import { createRestic } from './restic.ts';
import { restoreDevice } from './restore-device.ts';
import { restoreFiles } from './restore-files.ts';
import { resultText, writeResult } from './result.ts';
import { readSecrets, type Secrets } from './secrets.ts';
import { check, forget } from './upkeep.ts';

/** The container’s own variables that restic may need. */
const passedOn = [
  'PATH',
  'HTTP_PROXY',
  'HTTPS_PROXY',
  'NO_PROXY',
  'http_proxy',
  'https_proxy',
  'no_proxy',
  'SSL_CERT_FILE',
  'SSL_CERT_DIR',
];
/**
 * What the image’s restic derives the key of a new repository with; stock restic does not know the variable, and takes half a second for each
 * start. Nobody guesses 256 random bits, however fast a guess is.
 */
const scryptN = `${2 ** 14}`;
const region = ['AWS_REGION', 'AWS_DEFAULT_REGION'];

/** Does what the request says, and writes the result. True where it was done. Never throws, unless the result cannot be written. */
export async function runMover(text: string, host: MoverHost): Promise<boolean> {
  const started = host.now();
  let action: MoverAction = 'bind';
  let secrets: Secrets = { environment: {}, values: [] };
  const durationMs = () => Math.round(host.now() - started);
  let result: MoverResult;
  try {
    const request = parseRequest(text);
    action = request.action;
    if (request.action !== 'bind') secrets = await readSecrets(host.secretsDir);
    result = { ok: true, action, ...(await perform(request, secrets, host)), durationMs: durationMs() };
  } catch (thrown) {
    const fault = thrown instanceof MoverFault ? thrown : new MoverFault('failed', `${(thrown as Error).message ?? thrown}`);
    result = { ok: false, action, code: fault.code, message: fault.message, durationMs: durationMs() };
  }
  const last = resultText(result, secrets.values);
  host.print(last);
  await writeResult(host.resultFile, last);
  return result.ok;
}

async function perform(request: MoverRequest, secrets: Secrets, host: MoverHost): Promise<Partial<Extract<MoverResult, { ok: true }>>> {
  if (request.action === 'bind') return {};
  const environment = await resticEnvironment(secrets, host);
  const { repository, options, tuning } = request;
  const restic = createRestic({
    ...{ repository, options, tuning, environment },
    ...{ program: host.restic, storePatienceMs: host.storePatienceMs, signal: host.signal },
  });
  const report = progressPrinter(host.print, host.now);
  const onMessage = statusTo(report);
  switch (request.action) {
    case 'backup':
      return { ...(await backup(restic, request, { environment, onMessage })) };
    case 'restore':
      return { ...(await (request.mode === 'Block' ? restoreDevice(restic, request, report) : restoreFiles(restic, request, onMessage))) };
    case 'forget':
      await forget(restic, request);
      return {};
    case 'check':
      await check(restic, request);
      return {};
  }
}

async function resticEnvironment(secrets: Secrets, host: MoverHost): Promise<Record<string, string>> {
  const memory = await containerMemory();
  const cache = join(host.temporaryDir, 'restic-cache');
  await mkdir(cache, { recursive: true });
  const own = [...passedOn, ...region].flatMap(name => (host.environment[name] === undefined ? [] : [[name, host.environment[name]]]));
  return {
    ...(Object.fromEntries(own) as Record<string, string>),
    ...secrets.environment,
    HOME: host.temporaryDir,
    TMPDIR: host.temporaryDir,
    RESTIC_CACHE_DIR: cache,
    // Times of snapshots are given without a zone.
    TZ: 'UTC',
    RESTIC_PROGRESS_FPS: '1',
    HOLDFAST_SCRYPT_N: scryptN,
    ...(memory === undefined ? {} : { GOMEMLIMIT: goMemoryLimit(memory) }),
  };
}
