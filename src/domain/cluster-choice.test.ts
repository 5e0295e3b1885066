import { describe, expect, it } from 'vitest';
import { chooseCluster } from './cluster-choice.ts';

const [one, other] = [
  { uid: '5c1f0f5e-8a3c-4c53-9a35-0f1ab7a2d1c4', server: 'https://10.96.0.1:443' },
  { uid: '5c1fffff-0000-4c53-9a35-0f1ab7a2d1c4', server: 'https://10.96.0.1:443' },
];
const nobody = () => Promise.reject(new Error('nobody is to be asked'));

async function included(text: string, ask = nobody as () => Promise<typeof one>) {
  const { includes } = await chooseCluster(text, ask);
  return [one, other].map(includes);
}

describe('a cluster that is chosen', () => {
  it.each([
    ['its UID', one.uid, [true, false]],
    ['the beginning of its UID', '5c1f0', [true, false]],
    ['what several begin with, each of them', '5c1f', [true, true]],
    ['too little of a UID, none', '5c1', [false, false]],
    ['the address of its API server, all that have it', one.server, [true, true]],
    ['another UID, none', '0f1ab7a2', [false, false]],
  ])('is told by %s', async (_what, text, expected) => {
    expect(await included(text)).toEqual(expected);
  });

  it('is the own one by its UID, never by an address that others have too', async () => {
    expect(await included('own', async () => one)).toEqual([true, false]);
    const ask = async () => ({ ...one, uid: '' });
    await expect(included('own', ask)).rejects.toMatchObject({
      code: 'CLUSTER_FORBIDDEN',
      message: expect.stringContaining('kube-system'),
    });
  });
});
