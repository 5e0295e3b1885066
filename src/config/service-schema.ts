import { z } from 'zod';
import { AuthorizationSettings, AuthSettings } from './access-schema.ts';
import { address, duration, flag, list, path, share, size, text, timerDuration, wholeNumber } from './values.ts';

const tls = z
  .strictObject(
    {
      cert: path.describe('Certificate chain in PEM; read again when it changes.'),
      key: path.describe('Private key of the certificate in PEM.'),
    },
    'must be a map of cert and key',
  )
  .partial();

const rateLimit = z
  .strictObject(
    {
      perMinute: wholeNumber(1, 1_000_000).describe('Requests of one caller a minute.'),
      perSecond: wholeNumber(1, 100_000).describe('Requests of one caller a second.'),
    },
    'must be a map',
  )
  .partial();

const leaderElection = z
  .strictObject(
    {
      enabled: flag.describe('Of several replicas one acts. Without it, a single process must be seen to by other means.'),
      namespace: text.describe('Namespace of the Lease; the pod’s own unless told, else `default`.'),
      name: text.describe('Name of the Lease.'),
      leaseDuration: duration.describe('How long others wait after the leader’s last sign of life.'),
      renewDeadline: duration.describe('The leader stops acting when it could not renew the Lease for this long.'),
      retryPeriod: duration.describe('Time between two attempts to get or renew the Lease.'),
    },
    'must be a map',
  )
  .partial();

const retention = z
  .strictObject(
    {
      schedule: text.describe('When sets that have had their time are deleted: cron, UTC.'),
      maxShare: share.describe(
        'The largest share of all sets that one run deletes by itself; beyond it, nothing is deleted without a person.',
      ),
      clusters: list.describe(
        'Other clusters whose sets are deleted by these policies, too, by the uid of their kube-system namespace: of one that is no more, and whose place this one has taken.',
      ),
    },
    'must be a map',
  )
  .partial();

/** `holdfast serve`. */
export const ServiceSettings = z
  .strictObject(
    {
      listen: address.describe('Where the API is served.'),
      metricsListen: address.describe('Where metrics are served, without TLS and authentication.'),
      tls,
      insecureHttp: flag.describe(
        'Serve the API without TLS on other addresses than loopback. Tokens and identities then travel in the clear, unless something else encrypts.',
      ),
      auth: AuthSettings,
      authorization: AuthorizationSettings,
      identityDir: path.describe('Folder with identities that a restore request may name by file; none unless told.'),
      trustedProxies: list.describe('Addresses of proxies whose X-Forwarded-For is believed; none unless told.'),
      rateLimit,
      bodyLimit: size.describe('The largest request body.'),
      requestTimeout: timerDuration.describe('A request that is not done by then is given up. Operations run on.'),
      leaderElection,
      shutdownGrace: duration.describe('How long a running operation may go on after SIGTERM before it is interrupted.'),
      retention,
      catalogRefresh: duration.describe(
        'How often the repository is looked through for sets that others have written; those that are not new less often where they are very many.',
      ),
    },
    'must be a map',
  )
  .partial();
