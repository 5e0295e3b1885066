import { createHash, createHmac } from 'node:crypto';
import type { S3Credentials } from '../../src/storage/s3-client.ts';
import type { S3Server } from '../cluster/s3.ts';

const sha256 = (text: string) => createHash('sha256').update(text).digest('hex');
const hmac = (key: string | Buffer, text: string) => createHmac('sha256', key).update(text).digest();

/** Credentials that may do only these actions, such as `s3:GetObject`, on all buckets: MinIO's AssumeRole with a policy in the request. */
export async function limitedAccount(server: S3Server, actions: readonly string[]): Promise<S3Credentials> {
  const policy = { Version: '2012-10-17', Statement: [{ Effect: 'Allow', Action: actions, Resource: ['arn:aws:s3:::*'] }] };
  const body = new URLSearchParams({
    Action: 'AssumeRole',
    Version: '2011-06-15',
    DurationSeconds: '3600',
    Policy: JSON.stringify(policy),
  }).toString();
  const response = await fetch(server.endpoint, { method: 'POST', headers: signedHeaders(server, body), body });
  const text = await response.text();
  if (!response.ok) throw new Error(`AssumeRole failed with HTTP ${response.status}: ${text}`);
  const value = (name: string) => new RegExp(`<${name}>([^<]+)<`).exec(text)?.[1] ?? '';
  return { accessKeyId: value('AccessKeyId'), secretAccessKey: value('SecretAccessKey'), sessionToken: value('SessionToken') };
}

/** AWS Signature Version 4 of one POST to `/`. */
function signedHeaders(server: S3Server, body: string): Record<string, string> {
  const stamp = new Date().toISOString().replace(/[-:]|\.\d+/g, '');
  const type = 'application/x-www-form-urlencoded';
  const signed = 'content-type;host;x-amz-date';
  const canonical = `POST\n/\n\ncontent-type:${type}\nhost:${new URL(server.endpoint).host}\nx-amz-date:${stamp}\n\n${signed}\n${sha256(body)}`;
  const scope = `${stamp.slice(0, 8)}/us-east-1/sts/aws4_request`;
  const key = scope.split('/').reduce<string | Buffer>((k, part) => hmac(k, part), `AWS4${server.secretKey}`);
  const signature = createHmac('sha256', key)
    .update(`AWS4-HMAC-SHA256\n${stamp}\n${scope}\n${sha256(canonical)}`)
    .digest('hex');
  return {
    'content-type': type,
    'x-amz-date': stamp,
    authorization: `AWS4-HMAC-SHA256 Credential=${server.accessKey}/${scope}, SignedHeaders=${signed}, Signature=${signature}`,
  };
}
