import { readFileSync } from 'node:fs';

interface RunnerResult {
  readonly success: boolean;
  readonly numTotalTests: number;
  readonly numPassedTests: number;
  readonly numFailedTests: number;
  readonly numPendingTests: number;
  readonly testResults: readonly {
    readonly name: string;
    readonly status: string;
    readonly assertionResults: readonly { status: string; fullName: string }[];
  }[];
}

/** Prints the runner's own counts as the last line; a file that failed outside its tests counts as one failure. */
const result = JSON.parse(readFileSync(process.argv[2] ?? '', 'utf8')) as RunnerResult;
const brokenFiles = result.testResults.filter(
  file => file.status === 'failed' && !file.assertionResults.some(test => test.status === 'failed'),
);
for (const file of result.testResults) {
  for (const test of file.assertionResults) {
    if (test.status === 'failed') console.log(`failed: ${test.fullName}`);
    else if (test.status !== 'passed') console.log(`skipped: ${test.fullName}`);
  }
}
for (const file of brokenFiles) console.log(`failed to run: ${file.name}`);
const failed = result.numFailedTests + brokenFiles.length;
console.log(`${result.numPassedTests} passed, ${failed} failed, ${result.numPendingTests} skipped`);
process.exitCode = failed > 0 || result.numPassedTests === 0 ? 1 : 0;
