import { required } from '../config/load.ts';
import type { LocationRules } from '../config/location-checks.ts';
import type { Settings } from '../config/schema.ts';
import { isCode } from '../domain/errors.ts';
import { parseLocation } from '../storage/location.ts';

/** Settings fill in what the location’s own parameters leave open. */
export function locationOf({ location: written, s3 = {} }: Pick<Settings, 'location' | 's3'>): string {
  const location = required(written, 'location', '--location');
  const url = URL.parse(location);
  if (url?.protocol !== 's3:') return location;
  for (const [name, value] of Object.entries(s3)) {
    if (value !== undefined && !url.searchParams.has(name)) url.searchParams.set(name, String(value));
  }
  return url.href;
}

/** For a check of settings that name locations. */
export const locationRules: LocationRules = {
  refusal: (location, s3 = {}) => {
    try {
      parseLocation(locationOf({ location, s3 }));
      return undefined;
    } catch (thrown) {
      if (isCode(thrown, 'CONFIG_INVALID')) return thrown;
      throw thrown;
    }
  },
};
