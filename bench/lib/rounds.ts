/** One of those that are measured in turn. */
export interface Contender<Sample> {
  readonly name: string;
  readonly run: (round: number) => Promise<Sample>;
}

/**
 * Everyone once, then everyone again, beginning with the next one: A B C, B C A. What the machine does meanwhile falls on all alike, and so does
 * what one leaves behind for the one after it. Samples are by contender, in order of rounds.
 */
export async function inTurn<Sample>(
  rounds: number,
  contenders: readonly Contender<Sample>[],
  report: (line: string) => void,
): Promise<Map<string, Sample[]>> {
  const samples = new Map<string, Sample[]>(contenders.map(contender => [contender.name, []]));
  for (let round = 1; round <= rounds; round++) {
    const first = (round - 1) % contenders.length;
    for (const contender of [...contenders.slice(first), ...contenders.slice(0, first)]) {
      const sample = await contender.run(round);
      samples.get(contender.name)!.push(sample);
      report(`round ${round}/${rounds} ${contender.name}: ${JSON.stringify(sample)}`);
    }
  }
  return samples;
}

/** NaN of nothing. */
export function median(numbers: readonly number[]): number {
  const sorted = numbers.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}
