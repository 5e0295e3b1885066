import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeAll, expect, it } from 'vitest';
import { tempDir } from '../../test/cluster/temp-dir.ts';
import { having } from '../../test/helpers/having.ts';
import { noticeOf } from '../../test/helpers/notices.ts';
import { type SmtpOptions, type SmtpReceiver, startSmtpReceiver } from '../../test/helpers/smtp-receiver.ts';
import type { HoldfastError } from '../domain/errors.ts';
import { type EmailOptions, emailSender } from './email.ts';

const forever = new AbortController().signal;
const { describe } = having('openssl');
let pem: { readonly key: string; readonly cert: string };
let receiver: SmtpReceiver;

beforeAll(async () => {
  const dir = await tempDir('mail');
  const args = 'req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout key -out cert -days 1 -subj /CN=localhost';
  await promisify(execFile)('openssl', [...args.split(' '), '-addext', 'subjectAltName=DNS:localhost'], { cwd: dir });
  pem = { key: await readFile(join(dir, 'key'), 'utf8'), cert: await readFile(join(dir, 'cert'), 'utf8') };
});
afterEach(() => receiver.close());

const login = { user: async () => 'ops', password: async () => 'pa55word' };

async function sender(server: SmtpOptions, changes: Partial<EmailOptions>) {
  receiver = await startSmtpReceiver(server);
  const to = ['a@example.org', 'b@example.org'];
  const basics = { host: 'localhost', port: receiver.port, from: 'Holdfast <holdfast@example.org>', to, tls: 'starttls' } as const;
  return emailSender({ ...basics, timeoutMs: 30_000, ...changes });
}

const failure = (work: Promise<unknown>): Promise<HoldfastError> =>
  work.then(
    () => {
      throw new Error('it succeeded');
    },
    (thrown: HoldfastError) => thrown,
  );

describe('a mail', () => {
  it('goes to all recipients, encrypted, after a login, with everything that a person needs', async () => {
    const send = await sender({ tls: pem, login: 'ops:pa55word' }, { ca: pem.cert, login });
    await send(noticeOf(), forever);
    expect(receiver.mails).toMatchObject([
      { from: 'holdfast@example.org', to: ['a@example.org', 'b@example.org'], encrypted: true, login: 'ops:pa55word' },
    ]);
    const { data } = receiver.mails[0]!;
    expect(data).toContain('Subject: [prod] platform/daily: a backup failed');
    expect(data).toContain(`Message-ID: <${noticeOf().id}@holdfast>`);
    expect(data).toContain('Auto-Submitted: auto-generated');
    expect(data).toContain('why: s3://backups does not answer');
    expect(data).toContain('what to do: check the endpoint');
    expect(data).not.toContain('pa55word');
  });

  it('goes by a connection that is encrypted from the first byte, where told', async () => {
    const send = await sender({ tls: { ...pem, implicit: true } }, { tls: 'implicit', ca: pem.cert });
    await send(noticeOf(), forever);
    expect(receiver.mails).toMatchObject([{ encrypted: true }]);
  });

  it('in the clear is sent only where told, and never with a login', async () => {
    const send = await sender({ login: 'ops:pa55word' }, { tls: 'none', login });
    await send(noticeOf(), forever);
    expect(receiver.mails).toMatchObject([{ encrypted: false }]);
    expect(receiver.commands).not.toContain('AUTH');
  });

  it('is not sent to a server that offers no encryption, or has a certificate of somebody else', async () => {
    expect(await failure((await sender({}, { login }))(noticeOf(), forever))).toMatchObject({ code: expect.stringMatching(/^NOTICE_/) });
    expect(receiver.mails).toEqual([]);
    expect(receiver.commands).not.toContain('AUTH');
    await receiver.close();
    expect(await failure((await sender({ tls: pem }, { login }))(noticeOf(), forever))).toMatchObject({ code: 'NOTICE_UNDELIVERED' });
    expect(receiver.mails).toEqual([]);
  });

  it('has one subject line, whatever stands in the notice', async () => {
    const send = await sender({}, { tls: 'none' });
    await send(noticeOf({ what: 'first\r\nBcc: evil@example.org' }), forever);
    expect(receiver.mails[0]!.to).toEqual(['a@example.org', 'b@example.org']);
    expect(receiver.mails[0]!.data.split('\r\n\r\n')[0]).not.toMatch(/^Bcc:/im);
  });

  it('that is refused for good is not tried again; one that is put off is', async () => {
    const wrong = await sender({ tls: pem, login: 'ops:other' }, { ca: pem.cert, login });
    expect(await failure(wrong(noticeOf(), forever))).toMatchObject({ code: 'NOTICE_REFUSED', message: expect.stringContaining('535') });
    await receiver.close();
    const busy = await sender({ answers: line => (line.startsWith('MAIL') ? '451 later' : undefined) }, { tls: 'none' });
    expect(await failure(busy(noticeOf(), forever))).toMatchObject({ code: 'NOTICE_UNDELIVERED', message: expect.stringContaining('451') });
    await receiver.close();
    const partly = await sender({ answers: line => (line.includes('b@') ? '550 unknown' : undefined) }, { tls: 'none' });
    const error = await failure(partly(noticeOf(), forever));
    expect(error).toMatchObject({ code: 'NOTICE_REFUSED', message: expect.stringContaining('refused 1 of 2 recipients') });
    expect(receiver.mails).toMatchObject([{ to: ['a@example.org'] }]);
  });

  it('is given up in time where the server says nothing', async () => {
    const send = await sender({ mute: true }, { tls: 'none', timeoutMs: 100 });
    expect(await failure(send(noticeOf(), forever))).toMatchObject({ code: 'NOTICE_UNDELIVERED' });
  });
});
