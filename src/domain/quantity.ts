const suffixes: Readonly<Record<string, number>> = {
  ...{ n: 1e-9, u: 1e-6, m: 1e-3, '': 1, k: 1e3, M: 1e6, G: 1e9, T: 1e12, P: 1e15, E: 1e18 },
  ...{ Ki: 2 ** 10, Mi: 2 ** 20, Gi: 2 ** 30, Ti: 2 ** 40, Pi: 2 ** 50, Ei: 2 ** 60 },
};

/** Bytes of a Kubernetes quantity (`10Gi`, `1e9`, `512M`), rounded up; undefined for what is none. */
export function quantityBytes(text: string): number | undefined {
  const match = /^([+-]?(?:\d+\.?\d*|\.\d+))(?:[eE]([+-]?\d+)|([KMGTPE]i|[numkMGTPE]))?$/.exec(text.trim());
  if (match === null) return undefined;
  const [, number = '', exponent = '0', suffix = ''] = match;
  return Math.ceil(Number(number) * 10 ** Number(exponent) * (suffixes[suffix] ?? 1));
}
