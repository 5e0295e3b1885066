import { HoldfastError } from '../domain/errors.ts';
import type { RoleMap, TenantMap } from './access-schema.ts';
import { ownNamespace } from './environment.ts';
import { filled } from './filled.ts';
import type { Config } from './load.ts';
import type { NotificationSettings } from './notification-schema.ts';
import type { Settings } from './schema.ts';
import { parseAddress } from './values.ts';

export interface Address {
  /** Empty for all addresses of the machine. */
  readonly host: string;
  /** 0 for any that is free. */
  readonly port: number;
}

/** What `holdfast serve` runs with: every default filled in, every contradiction refused. Paths are absolute, times milliseconds. */
export interface ServiceConfig {
  readonly listen: Address;
  readonly metricsListen: Address;
  readonly tls: { readonly certFile: string; readonly keyFile: string } | undefined;
  readonly insecureHttp: boolean;
  readonly trustedProxies: readonly string[];
  readonly auth: {
    /** Undefined when this way is off. */
    readonly tokenReview: { readonly audiences: readonly string[] } | undefined;
    readonly oidc: OidcConfig | undefined;
    readonly tokensFile: string | undefined;
  };
  readonly authorization: {
    readonly mode: 'subjectAccessReview' | 'roles';
    /** Undefined where a file says it. */
    readonly roles: RoleMap | undefined;
    readonly rolesFile: string | undefined;
    readonly tenants: TenantMap;
  };
  /** Folder of the identities that a request may name. */
  readonly identityDir: string | undefined;
  readonly limits: {
    readonly bodyBytes: number;
    readonly handlerMs: number;
    readonly requestsPerMinute: number;
    readonly requestsPerSecond: number;
  };
  readonly leaderElection: {
    readonly enabled: boolean;
    readonly namespace: string;
    readonly name: string;
    readonly leaseDurationMs: number;
    readonly renewDeadlineMs: number;
    readonly retryPeriodMs: number;
  };
  readonly shutdownGraceMs: number;
  /** `maxShare`: above 0, at most 1. `clusters`: others whose sets it lets go, too. */
  readonly retention: { readonly schedule: string; readonly maxShare: number; readonly clusters: readonly string[] };
  readonly catalogRefreshMs: number;
  readonly notifications: NotificationSettings;
  readonly logs: { readonly level: 'trace' | 'debug' | 'info' | 'warn' | 'error'; readonly format: 'json' | 'text' };
  readonly operationsKeptMs: number;
}

export interface OidcConfig {
  readonly issuer: string;
  readonly audience: string;
  readonly usernameClaim: string;
  readonly groupsClaim: string;
  /** Absent where the issuer is put before names and groups. */
  readonly usernamePrefix?: string;
  readonly groupsPrefix?: string;
  readonly jwksFile?: string;
}

/** CONFIG_INVALID when nobody could log in. */
export async function serviceConfig(config: Config): Promise<ServiceConfig> {
  const { settings } = config;
  const service = settings.service ?? {};
  const { tls = {}, auth = {}, authorization = {}, leaderElection = {}, rateLimit = {}, retention = {} } = service;
  const audiences = auth.tokenReview?.audiences ?? [];
  const oidc = oidcConfig(auth.oidc);
  if (audiences.length === 0 && oidc === undefined && auth.tokensFile === undefined) {
    throw new HoldfastError('CONFIG_INVALID', 'there is no way to log in to the API', {
      hint: 'set service.auth.tokenReview.audiences, service.auth.oidc or service.auth.tokensFile',
    });
  }
  return {
    listen: addressOf(service.listen),
    metricsListen: addressOf(service.metricsListen),
    tls: tls.cert === undefined || tls.key === undefined ? undefined : { certFile: tls.cert, keyFile: tls.key },
    insecureHttp: filled(service.insecureHttp),
    trustedProxies: service.trustedProxies ?? [],
    auth: { tokenReview: audiences.length === 0 ? undefined : { audiences }, oidc, tokensFile: auth.tokensFile },
    authorization: {
      mode: filled(authorization.mode),
      roles: authorization.roles,
      rolesFile: authorization.rolesFile,
      tenants: authorization.tenants ?? {},
    },
    identityDir: service.identityDir,
    limits: {
      bodyBytes: filled(service.bodyLimit),
      handlerMs: filled(service.requestTimeout),
      requestsPerMinute: filled(rateLimit.perMinute),
      requestsPerSecond: filled(rateLimit.perSecond),
    },
    leaderElection: {
      enabled: filled(leaderElection.enabled),
      namespace: leaderElection.namespace ?? (await ownNamespace(config.environment)) ?? 'default',
      name: filled(leaderElection.name),
      leaseDurationMs: filled(leaderElection.leaseDuration),
      renewDeadlineMs: filled(leaderElection.renewDeadline),
      retryPeriodMs: filled(leaderElection.retryPeriod),
    },
    shutdownGraceMs: filled(service.shutdownGrace),
    retention: { schedule: filled(retention.schedule), maxShare: filled(retention.maxShare), clusters: retention.clusters ?? [] },
    catalogRefreshMs: filled(service.catalogRefresh),
    notifications: settings.notifications ?? {},
    logs: { level: filled(settings.logs?.level), format: filled(settings.logs?.format) },
    operationsKeptMs: filled(settings.operationsKept),
  };
}

function oidcConfig(oidc: NonNullable<NonNullable<Settings['service']>['auth']>['oidc'] = {}): OidcConfig | undefined {
  const { issuer, audience, usernameClaim, groupsClaim, usernamePrefix, groupsPrefix, jwksFile } = oidc;
  if (issuer === undefined || audience === undefined) return undefined;
  return {
    ...{ issuer, audience, usernameClaim: filled(usernameClaim), groupsClaim: filled(groupsClaim) },
    ...(usernamePrefix === undefined ? {} : { usernamePrefix }),
    ...(groupsPrefix === undefined ? {} : { groupsPrefix }),
    ...(jwksFile === undefined ? {} : { jwksFile }),
  };
}

function addressOf(text: string | undefined): Address {
  return filled(parseAddress(filled(text)));
}
