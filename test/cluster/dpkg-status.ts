/** A package that is installed, as dpkg’s status file has it. */
export interface DpkgPackage {
  readonly name: string;
  /** As `dpkg-query` takes it: with the architecture where several may be installed. */
  readonly query: string;
  readonly essential: boolean;
  /** Names that it answers to. */
  readonly provides: readonly string[];
  /** Of each dependency the choices, in order. */
  readonly depends: readonly (readonly string[])[];
  /** Its paragraph of the file. */
  readonly text: string;
}

/** Format: deb-control(5). */
export function parseStatus(status: string): readonly DpkgPackage[] {
  return status
    .split('\n\n')
    .filter(text => /^Status: install ok installed$/m.test(text))
    .map(text => {
      const field = (name: string) => new RegExp(`^${name}: (.*(?:\\n[ \\t].*)*)`, 'm').exec(text)?.[1] ?? '';
      const [name, depends] = [field('Package'), `${field('Pre-Depends')},${field('Depends')}`];
      return {
        ...{ name, text: text.trim(), essential: field('Essential') === 'yes' },
        query: field('Multi-Arch') === 'same' ? `${name}:${field('Architecture')}` : name,
        provides: names(field('Provides')).flat(),
        depends: names(depends),
      };
    });
}

/** The wanted packages with all that they depend on, in the order of the file. */
export function neededPackages(installed: readonly DpkgPackage[], wanted: (one: DpkgPackage) => boolean): readonly DpkgPackage[] {
  const byName = new Map<string, DpkgPackage>();
  for (const one of installed) for (const name of one.provides) byName.set(name, one);
  for (const one of installed) byName.set(one.name, one);
  const needed = new Set(installed.filter(wanted));
  // Grows while it is gone through.
  for (const one of needed) {
    for (const choices of one.depends) {
      const found = choices.map(name => byName.get(name)).find(other => other !== undefined);
      if (found !== undefined) needed.add(found);
    }
  }
  return installed.filter(one => needed.has(one));
}

/** `a (>= 1) | b, c:any` without versions and architectures. */
function names(list: string): readonly (readonly string[])[] {
  return list
    .split(',')
    .map(part => part.split('|').flatMap(one => /^\s*([a-z0-9][a-z0-9+.-]*)/.exec(one)?.[1] ?? []))
    .filter(choices => choices.length > 0);
}
