import { expect, test } from 'vitest';
import { keptNotice } from '../../../../demo/kubernetes/installation.ts';

test('what is kept on a cluster of the caller goes by one command, which names that cluster', () => {
  const access = { kubeconfig: '/etc/demo/kubeconfig', context: 'kind-kind' };
  expect(keptNotice(access, ['namespace/penstock-demo', 'customresourcedefinition/a.b'])).toContain(
    'to take it away: kubectl --kubeconfig=/etc/demo/kubeconfig --context=kind-kind delete ' +
      'namespace/penstock-demo customresourcedefinition/a.b',
  );
});

test('a cluster of its own that is kept goes as a whole', () => {
  const notice = keptNotice(undefined, ['namespace/penstock-demo']);
  expect(notice).toContain('to take it away: npm run cluster -- --name demo down');
  expect(notice).not.toContain('delete');
});
