import { dirname } from 'node:path';
import { RoleMap } from './access-schema.ts';
import { readConfigFile } from './file.ts';
import { asError, problemsIn } from './problems.ts';

/** The map of roles in a YAML file, as `service.authorization.roles` would have it. CONFIG_INVALID naming the line. */
export async function readRoles(path: string): Promise<RoleMap> {
  const file = await readConfigFile(path, path);
  const parsed = RoleMap.safeParse(file.content);
  if (parsed.success) return parsed.data;
  const [problem = { message: `${path}: no roles` }] = problemsIn(parsed.error, { ...file, directory: dirname(path) }, RoleMap);
  throw asError(problem);
}
