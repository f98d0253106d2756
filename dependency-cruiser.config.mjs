/** The walls between the rooms; docs/architecture.md draws them. */
const wall = (name, from, to, comment, extra = {}) => ({
  name,
  severity: 'error',
  comment,
  from: { path: from },
  to: { path: to, ...extra },
});

export default {
  forbidden: [
    {
      name: 'no-circles',
      severity: 'error',
      comment: 'A circle of imports hides the direction of the data flow.',
      from: {},
      to: { circular: true },
    },
    wall(
      'operator-not-worker',
      '^operator',
      '^(worker|cli|demo|test)',
      'The two programs share only common and crds.',
    ),
    wall(
      'worker-not-operator',
      '^worker',
      '^(operator|cli|demo|test|crds)',
      'The two programs share only common.',
    ),
    wall('common-below', '^common', '^(operator|worker|cli|demo|crds|test)', 'Common knows nobody above it.'),
    wall('crds-below', '^crds', '^(operator|worker|cli|demo|test)', 'The resources know nobody above them.'),
    wall(
      'measure-is-pure',
      '^operator/measure',
      '^(?!operator/measure|operator/observe/observation\\.ts|crds/worker-pool\\.ts|common/(units|heartbeat)\\.ts)',
      'measure imports only itself, and the shapes of an observation and a policy.',
    ),
    wall(
      'decide-is-pure',
      '^operator/decide',
      '^(?!operator/decide|operator/measure|crds/worker-pool\\.ts|common/units\\.ts)',
      'decide imports only itself, signals, and the shape of a policy.',
    ),
    wall(
      'observe-not-act',
      '^operator/observe',
      '^operator/(act|decide|report|reconcile)',
      'Facts in, nothing else.',
    ),
    wall(
      'act-not-observe',
      '^operator/act',
      '^operator/(observe/(?!observation\\.ts)|report|reconcile)',
      'Writes only.',
    ),
    wall(
      'report-is-last',
      '^operator/(observe|measure|decide|act)',
      '^operator/report',
      'Nothing waits for the report.',
    ),
    wall(
      'product-not-test',
      '^(operator|worker|common|crds|cli)',
      '^(test|demo)',
      'The product does not lean on its tests.',
    ),
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    enhancedResolveOptions: { exportsFields: ['exports'], conditionNames: ['import', 'node', 'default'] },
  },
};
