import { readFile, writeFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { roleAllows, roles } from '../../src/api/auth/roles.ts';
import { apiResources, apiVerbs } from '../../src/api/endpoint.ts';
import { allEndpoints } from '../../src/api/methods.ts';
import { errorTable } from '../../src/domain/errors.ts';
import { requestErrors } from '../../src/domain/request-errors.ts';

export const apiPage = resolve(import.meta.dirname, '../../docs/api.md');

/** The tables of docs/api.md that follow from the code. */
export const apiTables = {
  roles: () => {
    const used = new Set(allEndpoints().map(({ access }) => `${access?.resource} ${access?.verb}`));
    const rights = apiResources.flatMap(resource => apiVerbs.map(verb => ({ resource, verb })));
    return rights
      .filter(({ resource, verb }) => used.has(`${resource} ${verb}`))
      .map(
        access =>
          `| \`${access.resource}\` | ${access.verb} | ${roles.map(role => (roleAllows(role, access) ? 'yes' : '')).join(' | ')} |\n`,
      )
      .join('');
  },
  codes: () => {
    const own = Object.keys(requestErrors({} as never));
    const ofCommands = /^(?:USAGE|CONFIG_|KUBECONFIG_|SERVICE_UNREACHABLE|SERVICE_ERROR)/;
    const all = Object.entries(errorTable).filter(([code, { status }]) => status >= 400 && !ofCommands.test(code));
    const byStatus = Map.groupBy(
      all.toSorted(([a], [b]) => Number(own.includes(b)) - Number(own.includes(a))),
      ([, { status }]) => status,
    );
    return [...byStatus]
      .toSorted(([a], [b]) => a - b)
      .map(([status, rows]) => `| ${status} | ${rows.map(([code]) => `\`${code}\``).join(', ')} |\n`)
      .join('');
  },
} as const;

/** The page with its tables as they should be. */
export async function apiPageText(): Promise<string> {
  let page = await readFile(apiPage, 'utf8');
  for (const [name, table] of Object.entries(apiTables)) {
    const rows = new RegExp(`(?<=<!-- ${name}:begin -->\\n\\|.*\\n\\|[-|]+\\n)[\\s\\S]*?(?=<!-- ${name}:end -->)`);
    if (!rows.test(page)) throw new Error(`${apiPage} has no table ${name}`);
    page = page.replace(rows, table);
  }
  return page;
}

// `node test/helpers/api-docs.ts` renews them.
if (import.meta.main) await writeFile(apiPage, await apiPageText());
