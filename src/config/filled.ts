import { HoldfastError } from '../domain/errors.ts';

/** A setting that has a default. */
export function filled<Value>(value: Value | undefined): Value {
  if (value === undefined) throw new HoldfastError('INTERNAL', 'a setting with a default has no value');
  return value;
}
