import { describe, expect, it } from 'vitest';
import { literalArgument } from './mover-job.ts';

/** As the kubelet does (k8s.io/kubernetes/third_party/forked/golang/expansion): `$$` is `$`, `$(NAME)` a variable where there is one. */
function expand(text: string, variables: Readonly<Record<string, string>>): string {
  return text.replace(/\$(?:\$|\(([^)]*)\))/g, (whole, name?: string) => (name === undefined ? '$' : (variables[name] ?? whole)));
}

describe('an argument of a mover', () => {
  const variables = { HOME: '/root', KUBERNETES_SERVICE_PORT: '443' };

  it.each([
    ...['', 'plain', '$', '$$', '$$$', 'Foo$Bar.class', 'Foo$$Lambda$1.class', '$(HOME)', '$$(HOME)', '$(NONE)', '$HOME', '$(', '$()'],
    'price$(KUBERNETES_SERVICE_PORT)$',
  ])('arrives as %j, whatever the kubelet makes of it', text => {
    expect(expand(literalArgument(text), variables)).toBe(text);
  });

  it('would arrive as something else if nothing were done', () => {
    expect(expand('Foo$$Lambda$1.class $(HOME)', variables)).toBe('Foo$Lambda$1.class /root');
  });
});
