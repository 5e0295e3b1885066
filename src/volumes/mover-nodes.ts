import { at, type JsonObject, stringAt } from '../domain/json.ts';

/** Pure: does the node take movers, by what it is and by the labels that they ask for? */
export function takesMovers(node: JsonObject, nodeSelector: Readonly<Record<string, string>>): boolean {
  if (at(node, 'spec', 'unschedulable') === true) return false;
  const taints = at(node, 'spec', 'taints');
  // A mover tolerates none of them for longer than it takes to be ended.
  if (Array.isArray(taints) && taints.some(taint => stringAt(taint, 'effect') !== 'PreferNoSchedule')) return false;
  return Object.entries(nodeSelector).every(([label, value]) => stringAt(node, 'metadata', 'labels', label) === value);
}
