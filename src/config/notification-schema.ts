import { z } from 'zod';
import { duration, list, oneOf, path, secretUrl, text, wholeNumber, wordList } from './values.ts';

/** What people are told of: a run that failed, the first good one after it, a run that did not happen, an objective that will be missed. */
export const notificationEvents = ['failure', 'recovery', 'overdue', 'objective-at-risk'] as const;
export type NotificationEvent = (typeof notificationEvents)[number];

const events = wordList(notificationEvents, 'events').describe('What to tell of; everything unless told.');

const needsOneUrl = ({ url, urlFile }: { url?: string | undefined; urlFile?: string | undefined }, context: z.RefinementCtx): void => {
  if ((url === undefined) === (urlFile === undefined)) {
    context.addIssue({
      code: 'custom',
      message: url === undefined ? 'needs url or urlFile' : 'has url and urlFile: one of them is a mistake',
    });
  }
};
const urlFile = path.describe('File with the address, for one that is a secret.');

const webhook = z
  .strictObject(
    {
      url: secretUrl.describe('Where a JSON document is posted.'),
      urlFile,
      secretFile: path.describe('File with the key that signs each document (HMAC-SHA256); unsigned without it.'),
      events,
    },
    'must be a map with url or urlFile',
  )
  .partial()
  .superRefine(needsOneUrl);

const slack = z
  .strictObject({ urlFile: path.describe('File with the address of an incoming webhook.'), events }, 'must be a map with urlFile')
  .partial({ events: true });

const email = z
  .strictObject(
    {
      host: text.describe('SMTP server.'),
      port: wholeNumber(1, 65_535).describe('587 unless told.'),
      from: text.describe('Sender.'),
      to: list.describe('Recipients.'),
      usernameFile: path.describe('File with the user name; no login without it.'),
      passwordFile: path.describe('File with the password.'),
      tls: oneOf(['starttls', 'implicit', 'none']).describe('starttls unless told; with `none` no password is sent.'),
      events,
    },
    'must be a map with host, from and to',
  )
  .partial({ port: true, usernameFile: true, passwordFile: true, tls: true, events: true })
  .superRefine(({ to, usernameFile, passwordFile }, context) => {
    if (to.length === 0) context.addIssue({ code: 'custom', message: 'must not be empty', path: ['to'] });
    if ((usernameFile === undefined) !== (passwordFile === undefined)) {
      context.addIssue({ code: 'custom', message: 'needs usernameFile and passwordFile, or neither' });
    }
  });

const deadMansSwitch = z
  .strictObject(
    {
      url: secretUrl.describe('Asked for as long as the platform is protected; who watches it raises the alarm when that stops.'),
      urlFile,
      every: duration.describe('How often.'),
    },
    'must be a map with url or urlFile',
  )
  .partial();

/** Who is told. */
export const NotificationSettings = z
  .strictObject(
    {
      webhooks: z.array(webhook, 'must be a list of webhooks').describe('HTTP endpoints that get a signed JSON document.'),
      slack: z.array(slack, 'must be a list of Slack webhooks').describe('Slack channels.'),
      email: z.array(email, 'must be a list of mail servers').describe('Mailboxes.'),
      deadMansSwitch,
    },
    'must be a map',
  )
  .partial();
export type NotificationSettings = z.infer<typeof NotificationSettings>;
