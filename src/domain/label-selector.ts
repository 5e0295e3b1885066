import { HoldfastError } from './errors.ts';

type Labels = Readonly<Record<string, unknown>>;
export type LabelMatcher = (labels: Labels) => boolean;

const requirement =
  /^\s*(?:(?<set>[\w./-]+)\s+(?<op>in|notin)\s*\((?<values>[^()]*)\)|(?<not>!)?\s*(?<key>[\w./-]+)\s*(?:(?<eq>==|=|!=)\s*(?<value>[\w.-]*))?)\s*$/;

/** Kubernetes label selectors: `app=web,tier!=cache,env in (a,b),!canary`. Empty text matches everything. USAGE when it cannot be read. */
export function labelMatcher(selector: string): LabelMatcher {
  if (selector.trim() === '') return () => true;
  const tests = selector.split(/,(?![^(]*\))/).map(part => compile(part, selector));
  return labels => tests.every(test => test(labels));
}

function compile(part: string, selector: string): LabelMatcher {
  const found = requirement.exec(part)?.groups;
  if (found === undefined) throw new HoldfastError('USAGE', `label selector “${selector}”: cannot read “${part.trim()}”`);
  const { set, op, values, not, key, eq, value } = found;
  if (set !== undefined) {
    const wanted = new Set((values ?? '').split(',').map(text => text.trim()));
    return op === 'in'
      ? labels => wanted.has(String(labels[set]))
      : labels => labels[set] === undefined || !wanted.has(String(labels[set]));
  }
  if (key === undefined || (not !== undefined && eq !== undefined)) {
    throw new HoldfastError('USAGE', `label selector “${selector}”: cannot read “${part.trim()}”`);
  }
  if (eq === undefined) return not === undefined ? labels => labels[key] !== undefined : labels => labels[key] === undefined;
  return eq === '!=' ? labels => labels[key] !== value : labels => labels[key] === value;
}
