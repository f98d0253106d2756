import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { execFile } from 'node:child_process';
import type { ApiClient } from '../tools/apiClient.ts';
import { kubeconfigOf, isStarted } from './controlPlane.ts';
import { clusterDomain, inside, nodeAddress, nodeName, podRange } from './place.ts';
import type { Place } from './place.ts';
import { startWithin, within } from './sandbox.ts';

const folder = `${inside}/node`;
const containerdSocket = '/run/containerd/containerd.sock';
export const pauseImage = 'localhost/pause:1';

/** containerd, and what it needs to give pods a network: ready to take images. */
export async function startContainerd(place: Place): Promise<void> {
  const outside = join(place.folder, 'node');
  await mkdir(join(outside, 'cni'), { recursive: true });
  await writeFile(join(outside, 'cni/10-bridge.conflist'), JSON.stringify(podNetwork));
  await writeFile(join(outside, 'containerd.toml'), containerdConfig);
  await startWithin(place, '/usr/bin/containerd', ['--config', `${folder}/containerd.toml`], async () => {
    await runWithin(place, ['ctr', '--address', containerdSocket, 'version']);
    return true;
  });
}

/** Kubelet, Services, and names: ready when the node is. */
export async function startNode(place: Place, api: ApiClient): Promise<void> {
  const outside = join(place.folder, 'node');
  await writeFile(join(outside, 'kubelet.json'), JSON.stringify(kubeletConfig(place)));
  await writeFile(join(outside, 'proxy.json'), JSON.stringify(proxyConfig));
  await writeFile(join(outside, 'Corefile'), corefile);
  await startWithin(
    place,
    'kubelet',
    [
      `--config=${folder}/kubelet.json`,
      `--kubeconfig=${kubeconfigOf(`system:node:${nodeName}`)}`,
      `--hostname-override=${nodeName}`,
      `--node-ip=${nodeAddress}`,
      `--root-dir=${folder}/kubelet`,
      `--cert-dir=${folder}/kubelet/pki`,
    ],
    () => isNodeReady(api),
  );
  await startWithin(place, 'kube-proxy', [`--config=${folder}/proxy.json`], isStarted);
  await startWithin(place, 'coredns', ['-conf', `${folder}/Corefile`], isStarted);
}

/** Imports an image archive, so that pods find the image by its name. */
export async function importImage(place: Place, archive: string): Promise<void> {
  const ctr = ['ctr', '--address', containerdSocket, '--namespace', 'k8s.io'];
  await runWithin(place, [...ctr, 'images', 'import', archive]);
}

/** @returns what it wrote to stdout. */
async function runWithin(place: Place, command: readonly string[]): Promise<string> {
  const [program = '', ...args] = [...within(place), ...command];
  return (await promisify(execFile)(program, args)).stdout;
}

type Node = { status?: { conditions?: { type: string; status: string }[] } };

async function isNodeReady(api: ApiClient): Promise<boolean> {
  const { status, body } = await api.ask('GET', `/api/v1/nodes/${nodeName}`);
  const { conditions = [] } = (body as Node).status ?? {};
  return status === 200 && conditions.some(({ type, status }) => type === 'Ready' && status === 'True');
}

const podNetwork = {
  cniVersion: '1.0.0',
  name: 'pods',
  plugins: [
    {
      type: 'bridge',
      bridge: 'cni0',
      isGateway: true,
      ipMasq: true,
      hairpinMode: true,
      ipam: { type: 'host-local', ranges: [[{ subnet: podRange }]], routes: [{ dst: '0.0.0.0/0' }] },
    },
    { type: 'portmap', capabilities: { portMappings: true } },
  ],
};

const containerdConfig = `version = 2
root = "${folder}/containerd"
state = "/run/containerd"
[grpc]
  address = "${containerdSocket}"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "${pauseImage}"
  restrict_oom_score_adj = true
  netns_mounts_under_state_dir = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "${folder}/cni"
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "overlayfs"
`;

const kubeletConfig = ({ cgroup }: Place): Record<string, unknown> => ({
  apiVersion: 'kubelet.config.k8s.io/v1beta1',
  kind: 'KubeletConfiguration',
  containerRuntimeEndpoint: `unix://${containerdSocket}`,
  clusterDNS: [nodeAddress],
  clusterDomain,
  // The machine's own names are none of the cluster's.
  resolvConf: '',
  // Nobody else is in this network; the API server then needs no certificate to fetch logs.
  authentication: { anonymous: { enabled: true }, webhook: { enabled: false } },
  authorization: { mode: 'AlwaysAllow' },
  // Control groups of pods are all below one, whatever the machine's version of them is.
  failCgroupV1: false,
  cgroupDriver: 'cgroupfs',
  cgroupRoot: cgroup,
  enforceNodeAllocatable: [],
  failSwapOn: false,
  makeIPTablesUtilChains: false,
  // What was imported cannot be pulled again, and the disk is not the cluster's own.
  imageGCHighThresholdPercent: 100,
  evictionHard: { 'memory.available': '100Mi', 'nodefs.available': '0%', 'imagefs.available': '0%' },
});

const proxyConfig = {
  apiVersion: 'kubeproxy.config.k8s.io/v1alpha1',
  kind: 'KubeProxyConfiguration',
  clientConnection: { kubeconfig: kubeconfigOf('system:kube-proxy') },
  mode: 'iptables',
  clusterCIDR: podRange,
  hostnameOverride: nodeName,
  // Settings of the kernel that are not the cluster's own.
  conntrack: { maxPerCore: 0, min: 0, tcpEstablishedTimeout: '0s', tcpCloseWaitTimeout: '0s' },
};

const corefile = `.:53 {
  ready
  errors
  kubernetes ${clusterDomain} {
    kubeconfig ${kubeconfigOf('admin')}
  }
}
`;
