import { describe, expect, it } from 'vitest';
import { listenApi } from '../../src/api/listen.ts';
import { fuzzLimits } from '../fuzz/limits.ts';
import { fuzz, fuzzer } from '../fuzz/schemathesis.ts';
import { apiOptions, tokenOf } from '../helpers/api-context.ts';

const tool = await fuzzer();

describe.skipIf('missing' in tool)(`the API under schemathesis${'missing' in tool ? ` (${tool.missing})` : ''}`, () => {
  it('answers everything as it is described, and never with 500', { timeout: 900_000 }, async () => {
    const api = await listenApi({ ...apiOptions({ limits: fuzzLimits }), host: '127.0.0.1', port: 0, onWarning: () => {} });
    try {
      const { command } = tool as { command: string };
      const { ok, output } = await fuzz({ command, url: api.url, token: tokenOf('admin'), examples: 25, seed: 20_261_123 });
      expect(ok, output).toBe(true);
    } finally {
      await api.close(0);
    }
  });
});
