/** One of those that are measured in turn. */
export interface Contender<Sample> {
  readonly name: string;
  readonly run: (round: number) => Promise<Sample>;
}

/**
 * Everyone once a round, each round beginning with another one and in another order (A B C D E, B D A C E, …), so that none always follows the
 * same one: what one leaves behind, such as garbage in the API server, falls on all alike. Samples are by contender, in order of rounds.
 */
export async function inTurn<Sample>(
  rounds: number,
  contenders: readonly Contender<Sample>[],
  report: (line: string) => void,
): Promise<Map<string, Sample[]>> {
  const samples = new Map<string, Sample[]>(contenders.map(contender => [contender.name, []]));
  for (let round = 1; round <= rounds; round++) {
    for (const contender of orderOf(contenders, round)) {
      const sample = await contender.run(round);
      samples.get(contender.name)!.push(sample);
      report(`round ${round}/${rounds} ${contender.name}: ${JSON.stringify(sample)}`);
    }
  }
  return samples;
}

/** In steps that have no divisor in common with their number, each is met once. */
function orderOf<Item>(items: readonly Item[], round: number): Item[] {
  const { length } = items;
  const steps = Array.from({ length }, (_, step) => step).filter(step => commonDivisor(step, length) === 1);
  const step = steps[(round - 1) % steps.length] ?? 1;
  return items.map((_, i) => items[(round - 1 + i * step) % length]!);
}

function commonDivisor(a: number, b: number): number {
  return b === 0 ? a : commonDivisor(b, a % b);
}

/** NaN of nothing. */
export function median(numbers: readonly number[]): number {
  const sorted = numbers.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}
