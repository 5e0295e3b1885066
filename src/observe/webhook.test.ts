import { createHmac, timingSafeEqual } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { tempDir } from '../../test/cluster/temp-dir.ts';
import { type HttpReceiver, startHttpReceiver } from '../../test/helpers/http-receiver.ts';
import { manualTime } from '../../test/helpers/manual-time.ts';
import { noticeOf } from '../../test/helpers/notices.ts';
import { HoldfastError } from '../domain/errors.ts';
import { httpCall } from './http-call.ts';
import { addressOf, secretFile } from './secret-file.ts';
import { slackBody, slackSender } from './slack.ts';
import { webhookSender } from './webhook.ts';

const forever = new AbortController().signal;
let receiver: HttpReceiver;
let dir: string;
beforeEach(async () => {
  receiver = await startHttpReceiver();
  dir = await tempDir('webhook');
});
afterEach(async () => {
  await receiver.close();
});

async function file(name: string, text: string): Promise<string> {
  await writeFile(join(dir, name), text);
  return join(dir, name);
}

const failure = (work: Promise<unknown>): Promise<HoldfastError> =>
  work.then(
    () => {
      throw new Error('it succeeded');
    },
    (thrown: HoldfastError) => thrown,
  );

describe('a webhook', () => {
  it('gets a notice as JSON, with a signature that its documentation tells how to check', async () => {
    const secret = secretFile(await file('key', 'k3y\n'));
    const time = manualTime('2026-11-23T02:00:07.900Z');
    await webhookSender({ address: addressOf({ url: receiver.url }), secret, runtime: time })(noticeOf(), forever);
    const [call] = receiver.calls;
    expect(call).toMatchObject({ method: 'POST', headers: { 'content-type': 'application/json', 'holdfast-delivery': noticeOf().id } });
    expect(JSON.parse(call!.body)).toMatchObject({
      ...{ version: 1, event: 'backup.failed', state: 'began', cluster: 'prod', policy: 'platform', tier: 'daily' },
      ...{ why: 's3://backups does not answer', hint: 'check the endpoint', headline: '[prod] platform/daily: a backup failed' },
    });
    const [, t, v1] = /^t=(\d+),v1=([0-9a-f]{64})$/.exec(String(call!.headers['holdfast-signature']))!;
    expect(Number(t)).toBe(Date.parse('2026-11-23T02:00:07Z') / 1000);
    const expected = createHmac('sha256', 'k3y').update(`${t}.${call!.body}`).digest();
    expect(timingSafeEqual(expected, Buffer.from(v1!, 'hex'))).toBe(true);
    expect(call!.body).not.toContain('k3y');
  });

  it('is unsigned without a key, and takes a new key up without a restart', async () => {
    const path = await file('key', 'old');
    const signed = webhookSender({ address: addressOf({ url: receiver.url }), secret: secretFile(path), runtime: manualTime() });
    await webhookSender({ address: addressOf({ url: receiver.url }), runtime: manualTime() })(noticeOf(), forever);
    await signed(noticeOf(), forever);
    await writeFile(path, 'new');
    await signed(noticeOf(), forever);
    const signatures = receiver.calls.map(call => call.headers['holdfast-signature']);
    expect(signatures[0]).toBeUndefined();
    expect(signatures[1]).not.toBe(signatures[2]);
  });

  it('may have an address that is a secret: no failure shows more than its host', async () => {
    const address = addressOf({ urlFile: await file('url', `${receiver.url}\n`) });
    const send = webhookSender({ address, runtime: manualTime(), timeoutMs: 30_000 });
    const impatient = webhookSender({ address, runtime: manualTime(), timeoutMs: 200 });
    const answers = { 500: 'NOTICE_UNDELIVERED', 429: 'NOTICE_UNDELIVERED', 404: 'NOTICE_REFUSED', 302: 'NOTICE_REFUSED' } as const;
    const errors: HoldfastError[] = [];
    for (const [status, code] of Object.entries(answers)) {
      receiver.answer = Number(status);
      const error = await failure(send(noticeOf(), forever));
      expect(error.code, status).toBe(code);
      errors.push(error);
    }
    receiver.answer = 'hang up';
    errors.push(await failure(send(noticeOf(), forever)));
    receiver.answer = 'silence';
    errors.push(await failure(impatient(noticeOf(), forever)));
    await receiver.close();
    errors.push(await failure(send(noticeOf(), forever)));
    expect(errors.slice(-3).map(({ code }) => code)).toEqual(Array(3).fill('NOTICE_UNDELIVERED'));
    for (const { message, stack } of errors) {
      expect(message).toContain(receiver.host);
      expect(`${message}${stack}`).not.toContain('s3cr3t');
    }
    receiver = await startHttpReceiver();
  });

  it('says which file is missing or holds no address, and not what is in it', async () => {
    const none = await failure(addressOf({ urlFile: join(dir, 'none') })(forever));
    expect(none).toMatchObject({ code: 'CONFIG_INVALID', message: expect.stringContaining('there is no such file') });
    const wrong = await failure(addressOf({ urlFile: await file('wrong', 'file:///s3cr3t') })(forever));
    expect(wrong.message).toMatch(/wrong holds no http or https address$/);
    expect((await failure(secretFile(await file('empty', ' \n'))(forever))).message).toMatch(/is empty$/);
  });

  it('is left at once when the signal aborts', async () => {
    receiver.answer = 'silence';
    const stop = new AbortController();
    const asked = httpCall({ method: 'GET', url: receiver.url }, stop.signal);
    await receiver.received(1);
    stop.abort(new HoldfastError('SHUTTING_DOWN', 'stop'));
    expect(await failure(asked)).toMatchObject({ code: 'SHUTTING_DOWN' });
  });
});

describe('a Slack channel', () => {
  it('gets a text in which nothing from elsewhere names a channel or a person', async () => {
    await slackSender({ address: addressOf({ url: receiver.url }) })(noticeOf({ what: 'no <!channel> & *bold*' }), forever);
    const body = JSON.parse(receiver.calls[0]!.body);
    expect(body.text).toBe('[prod] platform/daily: no &lt;!channel&gt; &amp; *bold*');
    const texts = body.blocks.map((block: { text: { type: string; text: string } }) => block.text);
    expect(texts.map(({ type }: { type: string }) => type)).toEqual(['plain_text', 'plain_text']);
    expect(texts[1].text).toContain('what to do: check the endpoint');
  });

  it('gets no longer text than Slack takes', () => {
    const body = slackBody(noticeOf({ what: 'x'.repeat(10_000), why: 'y'.repeat(10_000) }));
    expect(JSON.stringify(body).length).toBeLessThan(10_000);
  });
});
