import { HoldfastError } from '../domain/errors.ts';
import type { RoleMap, TenantMap } from './access-schema.ts';
import { ownNamespace } from './environment.ts';
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
  /** Undefined only with `insecureHttp`. */
  readonly tls: { readonly cert: string; readonly key: string } | undefined;
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
  readonly rateLimit: { readonly perMinute: number; readonly burst: number };
  /** Bytes. */
  readonly bodyLimit: number;
  readonly requestTimeout: number;
  readonly leaderElection: {
    readonly enabled: boolean;
    readonly namespace: string;
    readonly name: string;
    readonly leaseDuration: number;
    readonly renewDeadline: number;
    readonly retryPeriod: number;
  };
  readonly shutdownGrace: number;
  /** `maxShare`: above 0, at most 1. */
  readonly retention: { readonly schedule: string; readonly maxShare: number };
  readonly catalogRefresh: number;
  readonly notifications: NotificationSettings;
  readonly logs: { readonly level: 'trace' | 'debug' | 'info' | 'warn' | 'error'; readonly format: 'json' | 'text' };
  readonly operationsKept: number;
}

export interface OidcConfig {
  readonly issuer: string;
  readonly audience: string;
  readonly usernameClaim: string;
  readonly groupsClaim: string;
  readonly jwksFile: string | undefined;
}

/** CONFIG_INVALID when the API would be in the clear without anybody having said so, or nobody could log in. */
export async function serviceConfig(config: Config): Promise<ServiceConfig> {
  const { settings } = config;
  const service = settings.service ?? {};
  const { tls = {}, auth = {}, authorization = {}, leaderElection = {}, rateLimit = {}, retention = {} } = service;
  const certificate = tls.cert === undefined || tls.key === undefined ? undefined : { cert: tls.cert, key: tls.key };
  if (certificate === undefined && service.insecureHttp !== true) {
    throw new HoldfastError('CONFIG_INVALID', 'the API has no certificate, and would be served in the clear', {
      hint: 'set service.tls.cert and service.tls.key (--tls-cert, --tls-key); for a test, --insecure-http',
    });
  }
  const audiences = auth.tokenReview?.audiences ?? [];
  const oidc = oidcConfig(auth.oidc);
  if (audiences.length === 0 && oidc === undefined && auth.tokensFile === undefined) {
    throw new HoldfastError('CONFIG_INVALID', 'there is no way to log in to the API', {
      hint: 'set service.auth.tokenReview.audiences, service.auth.oidc or service.auth.tokensFile',
    });
  }
  const perMinute = filled(rateLimit.perMinute);
  return {
    listen: addressOf(service.listen),
    metricsListen: addressOf(service.metricsListen),
    tls: certificate,
    auth: { tokenReview: audiences.length === 0 ? undefined : { audiences }, oidc, tokensFile: auth.tokensFile },
    authorization: {
      mode: filled(authorization.mode),
      roles: authorization.roles,
      rolesFile: authorization.rolesFile,
      tenants: authorization.tenants ?? {},
    },
    identityDir: service.identityDir,
    rateLimit: { perMinute, burst: rateLimit.burst ?? perMinute },
    bodyLimit: filled(service.bodyLimit),
    requestTimeout: filled(service.requestTimeout),
    leaderElection: {
      enabled: filled(leaderElection.enabled),
      namespace: leaderElection.namespace ?? (await ownNamespace(config.environment)) ?? 'default',
      name: filled(leaderElection.name),
      leaseDuration: filled(leaderElection.leaseDuration),
      renewDeadline: filled(leaderElection.renewDeadline),
      retryPeriod: filled(leaderElection.retryPeriod),
    },
    shutdownGrace: filled(service.shutdownGrace),
    retention: { schedule: filled(retention.schedule), maxShare: filled(retention.maxShare) },
    catalogRefresh: filled(service.catalogRefresh),
    notifications: settings.notifications ?? {},
    logs: { level: filled(settings.logs?.level), format: filled(settings.logs?.format) },
    operationsKept: filled(settings.operationsKept),
  };
}

function oidcConfig(oidc: NonNullable<NonNullable<Settings['service']>['auth']>['oidc'] = {}): OidcConfig | undefined {
  const { issuer, audience, usernameClaim, groupsClaim, jwksFile } = oidc;
  if (issuer === undefined || audience === undefined) return undefined;
  return { issuer, audience, usernameClaim: filled(usernameClaim), groupsClaim: filled(groupsClaim), jwksFile };
}

function addressOf(text: string | undefined): Address {
  return filled(parseAddress(filled(text)));
}

/** A setting that has a default. */
function filled<Value>(value: Value | undefined): Value {
  if (value === undefined) throw new HoldfastError('INTERNAL', 'a setting with a default has no value');
  return value;
}
