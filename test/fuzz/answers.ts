import { createReadStream } from 'node:fs';
import { createInterface } from 'node:readline';

/** What a run of the fuzzer was answered, by its own record. */
export interface Answers {
  /** By operation (`GET /api/v1/backups`): the statuses of requests with its own method. An operation that was never answered is not there. */
  readonly byOperation: ReadonlyMap<string, ReadonlySet<number>>;
  /** How many requests got which status; those with other methods, and those of chains, too. */
  readonly byStatus: ReadonlyMap<number, number>;
}

/** A line of the record; most of what it holds is left out. */
interface Recorded {
  readonly ScenarioFinished?: {
    readonly recorder: {
      /** The operation, or the name of a chain. */
      readonly label: string;
      readonly interactions?: Readonly<Record<string, Interaction>>;
    };
  };
}

interface Interaction {
  readonly request: { readonly method: string };
  /** Absent where the request failed. */
  readonly response?: { readonly status_code: number };
}

/** Reads the record (`--report ndjson`) of a run. */
export async function readAnswers(file: string): Promise<Answers> {
  const byOperation = new Map<string, Set<number>>();
  const byStatus = new Map<number, number>();
  for await (const line of createInterface({ input: createReadStream(file) })) {
    const { ScenarioFinished: scenario } = JSON.parse(line) as Recorded;
    if (scenario === undefined) continue;
    const { label, interactions = {} } = scenario.recorder;
    for (const { request, response } of Object.values(interactions)) {
      if (response === undefined) continue;
      byStatus.set(response.status_code, (byStatus.get(response.status_code) ?? 0) + 1);
      if (!label.startsWith(`${request.method} /`)) continue;
      byOperation.set(label, (byOperation.get(label) ?? new Set()).add(response.status_code));
    }
  }
  return { byOperation, byStatus };
}
