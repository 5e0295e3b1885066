import type { Config } from '../config/load.ts';
import { HoldfastError } from '../domain/errors.ts';
import type { CommandSpec } from './command.ts';

/** Settings that mean the same to a service as they do here. */
const forService = /^(?:server\.|selection\.|validation\.platform$|volumes\.capture$|identity$|timeout$|tier$)/;

/** Does a service do what the command says? */
export function isRemote({ settings }: Pick<Config, 'settings'>, { uses }: Pick<CommandSpec, 'uses'>): boolean {
  return settings.server?.url !== undefined && uses.includes('server');
}

/** A line that names a service and also what only counts without one would do something else than it says. USAGE. */
export function requireOnePlace(config: Pick<Config, 'settings' | 'origins'>, spec: Pick<CommandSpec, 'uses'>, command: string): void {
  const given = [...config.origins].filter(([, origin]) => origin.startsWith('--'));
  const [ofServer] = given.filter(([setting]) => setting.startsWith('server.')).map(([, origin]) => origin);
  if (ofServer !== undefined && !spec.uses.includes('server')) {
    throw new HoldfastError('USAGE', `${command} is not done by a service: ${ofServer} means nothing to it`, {
      hint: `leave ${ofServer} away`,
    });
  }
  if (!isRemote(config, spec)) return;
  const [here] = given.filter(([setting]) => !forService.test(setting)).map(([, origin]) => origin);
  if (here === undefined) return;
  throw new HoldfastError('USAGE', `${here} means nothing to the service that ${config.origins.get('server.url')} names: it has its own`, {
    hint: `leave ${here} away, or work without the service`,
  });
}
