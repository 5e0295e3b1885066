/** RFC 3339 with six digits of a second, as a MicroTime of the Kubernetes API is written. */
export function microTime(at: Date): string {
  return at.toISOString().replace('Z', '000Z');
}
