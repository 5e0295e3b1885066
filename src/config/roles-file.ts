import { HoldfastError } from '../domain/errors.ts';
import { RoleMap } from './access-schema.ts';
import { readConfigFile } from './file.ts';

/** Who has which role, from a file of its own. CONFIG_INVALID naming file and line. */
export async function readRoles(path: string): Promise<RoleMap> {
  const file = await readConfigFile(path, path);
  const parsed = RoleMap.safeParse(file.content);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw new HoldfastError(
    'CONFIG_INVALID',
    `${file.where(issue?.path ?? [])}: ${issue?.path.join('.') ?? ''} ${issue?.message ?? 'is malformed'}`,
  );
}
