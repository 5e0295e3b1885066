import { describe, expect, it } from 'vitest';
import { listenApi } from '../../src/api/listen.ts';
import { fuzzLimits } from '../fuzz/limits.ts';
import { fuzz, schemathesis } from '../fuzz/schemathesis.ts';
import { apiOptions, tokenOf } from '../helpers/api-context.ts';

const command = await schemathesis();

describe.skipIf(command === undefined)('the API under schemathesis', () => {
  it('answers everything as it is described, and never with 500', { timeout: 900_000 }, async () => {
    const api = await listenApi({ ...apiOptions({ limits: fuzzLimits }), host: '127.0.0.1', port: 0, onWarning: () => {} });
    try {
      const { ok, output } = await fuzz({ command: command!, url: api.url, token: tokenOf('admin'), examples: 25, seed: 20_261_123 });
      expect(ok, output).toBe(true);
    } finally {
      await api.close(0);
    }
  });
});
