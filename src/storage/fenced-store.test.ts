import { beforeEach, describe, expect, it } from 'vitest';
import { tempDir } from '../../test/cluster/temp-dir.ts';
import { collect } from '../../test/contract/repository-fixture.ts';
import { testRuntime } from '../../test/helpers/runtime.ts';
import { HoldfastError } from '../domain/errors.ts';
import { fencedStore } from './fenced-store.ts';
import { createFileStore } from './file-store.ts';
import type { ObjectStore } from './object-store.ts';
import { withRetry } from './retry.ts';

let dir: string;
let open: boolean;
let store: ObjectStore;

const fence = {
  check: () => {
    if (!open) throw new HoldfastError('NOT_LEADER', 'held by another');
  },
};

beforeEach(async () => {
  dir = await tempDir('fenced');
  open = true;
  store = fencedStore(createFileStore(dir), fence);
});

const bytes = Buffer.from('x');

describe('a fenced store', () => {
  it('writes and deletes while the fence is open', async () => {
    await store.put('a', bytes);
    await store.delete('a');
    expect(await store.head('a')).toBeUndefined();
  });

  it('writes and deletes nothing once it is closed, and reads all the same', async () => {
    await store.put('a', bytes);
    open = false;
    await expect(store.put('b', bytes)).rejects.toMatchObject({ code: 'NOT_LEADER' });
    await expect(store.delete('a')).rejects.toMatchObject({ code: 'NOT_LEADER' });
    expect((await collect(store.list(''))).map(({ key }) => key)).toEqual(['a']);
    expect(Buffer.concat(await collect(store.get('a')))).toEqual(bytes);
    expect((await store.head('a'))?.bytes).toBe(1);
    expect(await collect(store.listNames(''))).toEqual(['a']);
  });

  it.each(['between two chunks', 'after the last'])('does not finish a stream during which it was closed %s', async when => {
    const body = async function* () {
      yield bytes;
      open = false;
      if (when === 'between two chunks') yield bytes;
    };
    await expect(store.put('a', body())).rejects.toMatchObject({ code: 'NOT_LEADER' });
    expect(await store.head('a')).toBeUndefined();
  });

  it('inside of retry is asked before every try', async () => {
    const inner = createFileStore(dir);
    let tries = 0;
    const failing: ObjectStore = {
      ...inner,
      put: async () => {
        tries += 1;
        open = false;
        throw new HoldfastError('STORE_UNREACHABLE', 'cut');
      },
    };
    const retried = withRetry(fencedStore(failing, fence), { attempts: 5, totalMs: 60_000, firstMs: 1, maxMs: 1 }, testRuntime);
    await expect(retried.put('a', bytes)).rejects.toMatchObject({ code: 'NOT_LEADER' });
    expect(tries).toBe(1);
  });
});
