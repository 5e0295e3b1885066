import { readFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { withApi } from '../../test/helpers/api-context.ts';
import { openapiFile, openapiText } from '../../test/helpers/api-openapi.ts';
import { apiPrefix } from './endpoints.ts';
import { allEndpoints } from './methods.ts';

const api = withApi();

interface Described {
  readonly operationId: string;
  readonly security?: unknown;
  readonly responses: Readonly<Record<string, { readonly description: string; readonly content?: Readonly<Record<string, unknown>> }>>;
}

const document = async () => (await api().app.inject('/openapi.json')).json();

describe('the OpenAPI document', () => {
  it('is the one in docs/openapi.json (renew it with: node test/helpers/api-openapi.ts)', async () => {
    expect(await readFile(openapiFile, 'utf8')).toBe(await openapiText());
  });

  it('describes every endpoint, and every way in which it can end', async () => {
    const { openapi, paths } = await document();
    expect(openapi).toBe('3.1.0');
    for (const { id, method, path, success, body } of allEndpoints()) {
      const described: Described = paths[`${apiPrefix}${path.replace(/:(\w+)/g, '{$1}')}`][method.toLowerCase()];
      expect(described).toMatchObject({ operationId: id, security: [{ bearer: [] }] });
      const wanted = [success.status, 400, 401, 403, 408, 429, 500, 503, ...(body === undefined ? [] : [413, 415])].map(String);
      expect(Object.keys(described.responses)).toEqual(expect.arrayContaining(wanted));
      for (const [status, response] of Object.entries(described.responses)) {
        expect(response.description.length, `${id} ${status}`).toBeGreaterThan(2);
        if (Number(status) >= 400) expect(Object.keys(response.content ?? {})).toEqual(['application/problem+json']);
      }
    }
  });

  it('says what each group of endpoints is about', async () => {
    const { tags, paths } = await document();
    const used = Object.values<Record<string, { tags: string[] }>>(paths).flatMap(operations =>
      Object.values(operations).flatMap(one => one.tags),
    );
    expect(tags.map(({ name }: { name: string }) => name).sort()).toEqual([...new Set(used)].sort());
  });

  it('has no reference that leads nowhere', async () => {
    const { components, paths } = await document();
    const references = [...JSON.stringify({ components, paths }).matchAll(/"\$ref":"#\/components\/schemas\/([^"]+)"/g)].map(
      ([, name]) => name,
    );
    expect(references.length).toBeGreaterThan(50);
    expect(references.filter(name => !(name! in components.schemas))).toEqual([]);
  });
});

describe('the page that shows it', () => {
  it('loads nothing from elsewhere, and nothing inline', async () => {
    const page = await api().app.inject('/docs/');
    expect(page.statusCode).toBe(200);
    const sources = [...page.body.matchAll(/(?:src|href)="([^"]+)"/g)].map(([, source]) => source!);
    expect(sources.length).toBeGreaterThan(2);
    for (const source of sources) {
      expect(source).toMatch(/^\.\/static\//);
      const asset = await api().app.inject(`/docs/${source}`);
      expect(asset.statusCode, source).toBe(200);
      expect(asset.headers['content-security-policy']).not.toMatch(/unsafe|https:|\*/);
    }
    expect(page.body).not.toMatch(/<script>|<style|onload=|https?:\/\//);
  });
});
