import { expect, it } from 'vitest';
import { configFiles, failure } from '../../test/helpers/config-files.ts';
import { readRoles } from './roles-file.ts';

const { path, file } = configFiles();
const roles = async (text: string) => {
  await file(text);
  return readRoles(path('etc/holdfast.yaml'));
};

it('says who has which role', async () => {
  expect(await roles('viewer: {groups: [developers]}\noperator: {users: "a@example.org, b@example.org"}\n')).toEqual({
    viewer: { groups: ['developers'] },
    operator: { users: ['a@example.org', 'b@example.org'] },
  });
});

it.each([
  ['viewer: {}\nadmin: {}', 'holdfast.yaml:2: unknown setting admin; there are viewer, operator, restorer'],
  ['viewer: [developers]', 'holdfast.yaml:1: viewer must be a map of users and groups'],
  ['viewer:\n  user: a', 'holdfast.yaml:2: unknown setting viewer.user; there are users, groups'],
  ['- viewer', 'holdfast.yaml:1: must be a map of roles to users and groups'],
])('names the line of a mistake: %j', async (text, message) => {
  expect(await failure(roles(text))).toContain(message);
});
