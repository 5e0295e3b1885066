import type { Config } from '../config/load.ts';
import { type ServiceConfig, serviceConfig } from '../config/service.ts';
import { HoldfastError } from '../domain/errors.ts';
import type { ServiceRules, World } from '../service/world.ts';
import { openKeys } from './keys.ts';
import { rulesOf } from './service-rules.ts';

/** What a service goes by until the configuration changes. */
export interface InForce {
  readonly config: Config;
  readonly service: ServiceConfig;
  readonly rules: ServiceRules;
  readonly keys: World['keys'];
}

/** Reads everything that the configuration names and a service cannot do without. CONFIG_INVALID, RECIPIENT_MISSING, KEY_INVALID and their like. */
export async function readInForce(config: Config, onWarning: (text: string) => void): Promise<InForce> {
  const service = await serviceConfig(config);
  return { config, service, rules: rulesOf(config, service), keys: await readKeys(config, onWarning) };
}

async function readKeys({ settings }: Config, onWarning: (text: string) => void): Promise<World['keys']> {
  const keys = openKeys(settings, onWarning);
  const recipients = await keys.recipients();
  if (recipients.length === 0 && settings.insecurePlaintext !== true) {
    throw new HoldfastError('RECIPIENT_MISSING', 'no recipient is configured: backups could not be sealed');
  }
  return { recipients, signingKey: await keys.signingKey(), trusted: await keys.trusted() };
}
