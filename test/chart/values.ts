import type { Values } from '../builders/chart.ts';

/** The least that the worker chart needs. */
export const workerValues: Values = {
  image: { repository: 'registry.example/thumbnails' },
  stream: 'IMAGES',
  consumer: 'thumbnails',
};

/** Values that people will use, by what they are for. `namespaces` must exist where they are applied. */
export const operatorCombinations: Readonly<Record<string, Values>> = {
  'the defaults': {},
  'named namespaces, and secrets': {
    namespaces: ['media', 'mail'],
    rbac: { secrets: [{ namespace: 'media', names: ['nats'] }] },
  },
  'other targets': {
    rbac: {
      scaleTargets: [
        { apiGroup: 'apps', resource: 'deployments' },
        { apiGroup: 'apps', resource: 'statefulsets' },
      ],
      aggregateClusterRoles: false,
    },
  },
  'everything on': {
    image: { repository: 'registry.example/operator', digest: `sha256:${'0'.repeat(64)}` },
    imagePullSecrets: [{ name: 'pull' }],
    operator: { periodSeconds: 0.5, natsHosts: ['*.nats.svc'], logLevel: 'debug' },
    networkPolicy: { enabled: true },
    serviceMonitor: { enabled: true, labels: { release: 'prometheus' } },
    prometheusRule: { enabled: true },
    podAnnotations: { a: 'b' },
    podLabels: { c: 'd' },
    serviceAccount: { annotations: { e: 'f' } },
    nodeSelector: { g: 'h' },
    tolerations: [{ operator: 'Exists' }],
    affinity: { nodeAffinity: {} },
    extraEnv: [{ name: 'TZ', value: 'UTC' }],
  },
  'everything off': {
    crds: { install: false },
    rbac: { create: false },
    serviceAccount: { create: false },
    podDisruptionBudget: { enabled: false },
    topologySpread: false,
  },
};

export const workerCombinations: Readonly<Record<string, Values>> = {
  'the least': workerValues,
  'a fixed number of replicas': { ...workerValues, pool: { enabled: false }, replicas: 3 },
  'a connection of somebody else': { ...workerValues, nats: { create: false, connection: 'shared' } },
  'a .creds file': { ...workerValues, nats: { credentials: { secretName: 'nats' } } },
  'an nkey': { ...workerValues, nats: { nkey: { secretName: 'nats', key: 'seed' } } },
  'a token': { ...workerValues, nats: { token: { secretName: 'nats' } } },
  'user and password': { ...workerValues, nats: { userPassword: { secretName: 'nats' } } },
  certificates: {
    ...workerValues,
    nats: { servers: ['tls://nats:4222'], tls: { secretName: 'tls', certKey: 'tls.crt', keyKey: 'tls.key' } },
  },
  'everything on': {
    ...workerValues,
    slots: 16,
    jobTimeoutSeconds: 1_800,
    terminationGracePeriodSeconds: 1_810,
    settings: { PENSTOCK_CREATE_CONSUMER: 'true' },
    pool: { minReplicas: 1, maxReplicas: 40, spec: { objective: { drainSeconds: 30 }, mode: 'DryRun' } },
    podMonitor: { enabled: true },
    podAnnotations: { a: 'b' },
    extraVolumes: [{ name: 'data', emptyDir: {} }],
    extraVolumeMounts: [{ name: 'data', mountPath: '/data' }],
    podDisruptionBudget: { maxUnavailable: 1 },
  },
};
