import { expect, it } from 'vitest';
import { listenApi } from '../../src/api/listen.ts';
import { describedOperations, reachedOperations, serverErrors } from '../fuzz/described.ts';
import { fuzzLimits } from '../fuzz/limits.ts';
import { fuzz } from '../fuzz/schemathesis.ts';
import { describeFuzzed } from '../fuzz/with-fuzzer.ts';
import { apiOptions, tokenOf } from '../helpers/api-context.ts';

describeFuzzed('the API under schemathesis', command => {
  it('answers everything as it is described, and never with 500', { timeout: 1_000_000 }, async () => {
    const api = await listenApi({ ...apiOptions({ limits: fuzzLimits }), host: '127.0.0.1', port: 0, onWarning: () => {} });
    try {
      const report = await fuzz({ command, url: api.url, token: tokenOf('admin'), examples: 25, seed: 20_261_123 });
      expect(report.ok, report.output).toBe(true);
      expect(reachedOperations(report)).toEqual(await describedOperations(api.url));
      expect(serverErrors(report)).toEqual([]);
    } finally {
      await api.close(0);
    }
  });
});
