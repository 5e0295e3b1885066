import { describeWhere } from '../cluster/duty.ts';
import { fuzzer } from './fuzzer.ts';

const tool = await fuzzer();

/** A `describe` for tests that take the fuzzer’s command. */
export function describeFuzzed(name: string, tests: (command: string) => void): void {
  const need = { what: 'a fuzzer of the API', missing: tool.missing, requiredBy: 'HOLDFAST_TEST_REQUIRE_FUZZER' } as const;
  describeWhere(need, name, () => tests(tool.command ?? ''));
}
