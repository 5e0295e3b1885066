import type { Flag } from './flags.ts';
import { volumeFlags } from './volume-flags.ts';

/** Where and how the service answers. */
const listenFlags: readonly Flag[] = [
  { flags: '--listen <address>', text: 'where the API is served (default 127.0.0.1:8443)', setting: 'service.listen' },
  { flags: '--metrics-listen <address>', text: 'where metrics are (default 127.0.0.1:9090)', setting: 'service.metricsListen' },
  {
    flags: '--tls-cert <file>',
    text: 'certificate chain, PEM; read again when it changes',
    setting: 'service.tls.cert',
    completes: 'file',
  },
  { flags: '--tls-key <file>', text: 'private key of the certificate, PEM', setting: 'service.tls.key', completes: 'file' },
  { flags: '--insecure-http', text: 'plain HTTP beyond loopback: tokens travel in the clear', setting: 'service.insecureHttp' },
  { flags: '--rate-limit <n>', text: 'requests of one caller a minute (default 1200)', setting: 'service.rateLimit.perMinute' },
  { flags: '--rate-limit-second <n>', text: 'requests of one caller a second (default 200)', setting: 'service.rateLimit.perSecond' },
  {
    flags: '--trusted-proxies <addresses>',
    text: 'proxies whose X-Forwarded-For is believed (repeatable)',
    setting: 'service.trustedProxies',
    many: true,
  },
  { flags: '--body-limit <size>', text: 'largest request body (default 1MiB)', setting: 'service.bodyLimit' },
  { flags: '--request-timeout <duration>', text: 'a request is given up after this long', setting: 'service.requestTimeout' },
];

/** Who may do what. */
const accessFlags: readonly Flag[] = [
  {
    flags: '--token-audience <names>',
    text: 'audiences of Kubernetes tokens (default holdfast; repeatable)',
    setting: 'service.auth.tokenReview.audiences',
    many: true,
    empty: 'meant',
  },
  { flags: '--oidc-issuer <url>', text: 'issuer of JSON web tokens', setting: 'service.auth.oidc.issuer' },
  { flags: '--oidc-audience <name>', text: 'audience that they must have', setting: 'service.auth.oidc.audience' },
  { flags: '--oidc-username-claim <name>', text: 'claim that names the user (default sub)', setting: 'service.auth.oidc.usernameClaim' },
  {
    flags: '--oidc-username-prefix <text>',
    text: 'put before names (default: the issuer and #)',
    setting: 'service.auth.oidc.usernamePrefix',
  },
  {
    flags: '--oidc-groups-prefix <text>',
    text: 'put before groups (default: the issuer and #)',
    setting: 'service.auth.oidc.groupsPrefix',
  },
  { flags: '--oidc-groups-claim <name>', text: 'claim with the groups (default groups)', setting: 'service.auth.oidc.groupsClaim' },
  {
    flags: '--oidc-jwks-file <file>',
    text: 'keys of the issuer, instead of discovery',
    setting: 'service.auth.oidc.jwksFile',
    completes: 'file',
  },
  { flags: '--tokens-file <file>', text: 'static tokens', setting: 'service.auth.tokensFile', completes: 'file' },
  {
    flags: '--authorization <mode>',
    text: 'ask the cluster’s RBAC, or go by roles',
    choices: ['subjectAccessReview', 'roles'],
    setting: 'service.authorization.mode',
  },
  { flags: '--roles-file <file>', text: 'who has which role', setting: 'service.authorization.rolesFile', completes: 'file' },
  {
    flags: '--identity-dir <dir>',
    text: 'identities that a restore request may name',
    setting: 'service.identityDir',
    completes: 'directory',
  },
];

/** How it runs. */
const runningFlags: readonly Flag[] = [
  {
    flags: '--leader-election <true|false>',
    text: 'of several replicas one acts (default true)',
    choices: ['true', 'false'],
    setting: 'service.leaderElection.enabled',
  },
  { flags: '--lease-namespace <name>', text: 'namespace of the Lease', setting: 'service.leaderElection.namespace' },
  { flags: '--lease-name <name>', text: 'name of the Lease (default holdfast)', setting: 'service.leaderElection.name' },
  { flags: '--lease-duration <duration>', text: 'others wait this long (default 15s)', setting: 'service.leaderElection.leaseDuration' },
  { flags: '--renew-deadline <duration>', text: 'the leader gives up after this long', setting: 'service.leaderElection.renewDeadline' },
  { flags: '--retry-period <duration>', text: 'between two attempts (default 2s)', setting: 'service.leaderElection.retryPeriod' },
  { flags: '--shutdown-grace <duration>', text: 'time for running operations after SIGTERM', setting: 'service.shutdownGrace' },
  { flags: '--retention-schedule <cron>', text: 'when expired sets are deleted, UTC', setting: 'service.retention.schedule' },
  { flags: '--retention-max-share <percent>', text: 'largest share of sets deleted in one run', setting: 'service.retention.maxShare' },
  { flags: '--retention-clusters <uids>', text: 'lost clusters whose sets are deleted, too', setting: 'service.retention.clusters' },
  { flags: '--catalog-refresh <duration>', text: 'how often other writers’ sets are looked for', setting: 'service.catalogRefresh' },
  { flags: '--dead-mans-switch <url>', text: 'asked for as long as all is well', setting: 'notifications.deadMansSwitch.url' },
  {
    flags: '--dead-mans-switch-file <file>',
    text: 'file with that address',
    setting: 'notifications.deadMansSwitch.urlFile',
    completes: 'file',
  },
  { flags: '--dead-mans-switch-every <duration>', text: 'how often (default 5m)', setting: 'notifications.deadMansSwitch.every' },
  {
    flags: '--log-level <level>',
    text: 'the least that is logged (default info)',
    choices: ['trace', 'debug', 'info', 'warn', 'error'],
    setting: 'logs.level',
  },
  { flags: '--log-format <format>', text: 'json (the default) or text', choices: ['json', 'text'], setting: 'logs.format' },
  { flags: '--operations-kept <duration>', text: 'records of ended operations are kept this long', setting: 'operationsKept' },
];

/** Flags of `holdfast serve`. Policies, tenants, roles and notifications are maps, and come by the file alone. */
export const serviceFlags: readonly Flag[] = [...listenFlags, ...accessFlags, ...runningFlags, ...volumeFlags];
