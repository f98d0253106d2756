/**
 * Makes a fresh clone able to run: `node test/tools/bootstrap.mjs [--nats] [--kubernetes] [--node] [--helm] [--redis]
 * [--postgres] COMMAND [ARG…]`; `--kubernetes` is a control plane, `--node` what a cluster needs beyond it.
 *
 * Plain JavaScript on purpose: it is the one file that the machine's own Node (20 or later) runs. It installs
 * the packages when the lock file changed, among them the pinned Node 24; builds the pinned servers that are asked
 * for; then runs COMMAND with all of it at hand. Nothing is done, and nothing said, when all is in place.
 */
import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, readdirSync, renameSync, writeFileSync } from 'node:fs';
import { constants } from 'node:os';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../../', import.meta.url));
const bin = join(root, 'node_modules', '.bin');
const oldestNode = [24, 12, 0];
/** Older ones could lose streams after process kills and membership changes (nats-server #6888, #7545). */
const oldestNatsServer = [2, 12, 3];

const given = process.argv.slice(2);
const servers = new Set();
const known = ['--nats', '--kubernetes', '--node', '--helm', '--redis', '--postgres'];
while (known.includes(given[0])) servers.add(given.shift());
const [command, ...args] = given;
if (command === undefined)
  fail(`usage: node test/tools/bootstrap.mjs ${known.map((name) => `[${name}]`).join(' ')} COMMAND [ARG…]`);

installPackages();
const environment = { ...process.env, PATH: bin + delimiter + (process.env.PATH ?? '') };
requireNode(environment);
if (servers.has('--nats')) environment.PENSTOCK_NATS_SERVER = natsServer();
if (servers.has('--kubernetes')) Object.assign(environment, goTools(controlPlane()));
if (servers.has('--node')) Object.assign(environment, goTools(node()));
if (servers.has('--helm')) environment.PENSTOCK_HELM = helm();
if (servers.has('--redis')) environment.PENSTOCK_REDIS_SERVER = redis();
if (servers.has('--postgres')) environment.PENSTOCK_POSTGRES_BIN = postgres();
run(command, args, environment);

function installPackages() {
  const stamp = join(root, 'node_modules', '.penstock-installed');
  const wanted = fingerprint('package-lock.json');
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === wanted) return;
  const startedAt = Date.now();
  say('installing packages (first run, or the lock file changed) …');
  must('npm', ['ci', '--no-audit', '--no-fund', '--loglevel=error'], { cwd: root, what: 'npm ci' });
  writeFileSync(stamp, wanted);
  say(`packages installed in ${seconds(startedAt)}`);
}

function requireNode(env) {
  const version = versionOf('node', ['--version'], env);
  if (version === undefined || isOlder(version, oldestNode)) {
    fail(
      `Node ${oldestNode.join('.')} or later is needed, found ${version?.join('.') ?? 'none'}: this platform ` +
        `(${process.platform} ${process.arch}) has no pinned Node package; install Node 24 and put it on PATH.`,
    );
  }
}

/** The path of a nats-server that is new enough: named by the environment, on PATH, or built from the pin. */
function natsServer() {
  const named = process.env.PENSTOCK_NATS_SERVER;
  if (named !== undefined && named !== '') {
    const version = versionOf(named, ['--version']);
    if (version === undefined)
      fail(`PENSTOCK_NATS_SERVER=${named} does not run; unset it or name a nats-server.`);
    if (isOlder(version, oldestNatsServer)) {
      fail(
        `PENSTOCK_NATS_SERVER=${named} is ${version.join('.')}; ${oldestNatsServer.join('.')} or later is needed.`,
      );
    }
    return named;
  }
  const onPath = versionOf('nats-server', ['--version']);
  if (onPath !== undefined && !isOlder(onPath, oldestNatsServer)) return 'nats-server';
  return goTool({
    name: 'nats-server',
    folder: 'test/tools',
    package: 'github.com/nats-io/nats-server/v2',
    takes: 'about a minute',
  });
}

/** What the Kubernetes suite runs on. */
function controlPlane() {
  return {
    etcd: {
      folder: 'test/tools/etcd',
      package: 'go.etcd.io/etcd/server/v3',
      takes: 'one to two minutes',
    },
    'kube-apiserver': kubernetes('kube-apiserver', 'five to ten minutes'),
    'kube-controller-manager': kubernetes('kube-controller-manager', 'two minutes'),
  };
}

/** What makes a cluster of a control plane; quick to build after it, as most of the code is the same. */
function node() {
  return {
    'kube-scheduler': kubernetes('kube-scheduler', 'half a minute'),
    kubelet: kubernetes('kubelet', 'a minute'),
    'kube-proxy': kubernetes('kube-proxy', 'half a minute'),
    kubectl: kubernetes('kubectl', 'half a minute'),
    coredns: {
      folder: 'test/tools/coredns',
      package: '.',
      pinnedBy: ['go.mod', 'go.sum', 'main.go'],
      flags: ['-trimpath', '-ldflags', '-s -w'],
      takes: 'two minutes',
    },
    pause: {
      folder: 'test/tools/pause',
      package: '.',
      pinnedBy: ['go.mod', 'main.go'],
      flags: ['-trimpath', '-ldflags', '-s -w'],
      takes: 'seconds',
    },
  };
}

function kubernetes(name, takes) {
  return {
    folder: 'test/tools/kubernetes',
    package: `k8s.io/kubernetes/cmd/${name}`,
    // Without it clients would be told that this is v0.0.0-master.
    flags: ['-trimpath', '-ldflags', '-s -w -X k8s.io/component-base/version.gitVersion=v1.36.3'],
    takes,
  };
}

/** Each under the variable of its name: named by the environment, or built from its pin. */
function goTools(tools) {
  return Object.fromEntries(
    Object.entries(tools).map(([name, tool]) => {
      const variable = variableOf(name);
      return [variable, process.env[variable] ?? goTool({ name, ...tool })];
    }),
  );
}

function helm() {
  return (
    process.env.PENSTOCK_HELM ??
    goTool({
      name: 'helm',
      folder: 'test/tools/helm',
      package: 'helm.sh/helm/v4/cmd/helm',
      flags: ['-trimpath', '-ldflags', '-s -w'],
      takes: 'two to five minutes',
    })
  );
}

/** Builds a Go program from its pin into an ignored folder, once per pin. */
function goTool({ name, folder, package: path, pinnedBy = ['go.mod', 'go.sum'], flags = [], takes }) {
  const built = join(root, '.tools', 'bin', name);
  const stamp = join(root, '.tools', `${name}.pin`);
  const wanted = fingerprint(...pinnedBy.map((file) => `${folder}/${file}`));
  if (existsSync(built) && existsSync(stamp) && readFileSync(stamp, 'utf8') === wanted) return built;
  if (versionOf('go', ['version']) === undefined) {
    fail(
      `${name} must be built, and Go is missing: install Go 1.26 or later, or name one by ${variableOf(name)}.`,
    );
  }
  const startedAt = Date.now();
  say(`building the pinned ${name} (once, ${takes}) …`);
  mkdirSync(join(root, '.tools', 'bin'), { recursive: true });
  must('go', ['build', ...flags, '-o', `${built}.new`, path], {
    cwd: join(root, folder),
    what: `go build ${name}`,
  });
  renameSync(`${built}.new`, built);
  writeFileSync(stamp, wanted);
  say(`${name} built in ${seconds(startedAt)}`);
  return built;
}

function redis() {
  const found = () =>
    ['/usr/bin/redis-server', '/usr/local/bin/redis-server'].find((path) => existsSync(path));
  return process.env.PENSTOCK_REDIS_SERVER ?? debianPackage('redis-server', found);
}

/** The folder with initdb and postgres, which Debian keeps off the path. */
function postgres() {
  const found = () => {
    const versions = '/usr/lib/postgresql';
    const folders = existsSync(versions) ? readdirSync(versions).sort((a, b) => Number(b) - Number(a)) : [];
    const candidates = [...folders.map((version) => join(versions, version, 'bin')), '/usr/local/pgsql/bin'];
    return candidates.find((folder) => existsSync(join(folder, 'initdb')));
  };
  return process.env.PENSTOCK_POSTGRES_BIN ?? debianPackage('postgresql', found);
}

/** What is not found is installed where that is possible; elsewhere, what needs it fails, and names the package. */
function debianPackage(name, find) {
  const found = find();
  if (found !== undefined) return found;
  if (process.getuid?.() !== 0 || !existsSync('/usr/bin/apt-get')) return '';
  const startedAt = Date.now();
  say(`installing Debian's ${name} (once) …`);
  const apt = (...argv) =>
    spawnSync('apt-get', argv, {
      stdio: ['ignore', 'ignore', 2],
      env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive', RUNLEVEL: '1' },
    }).status === 0;
  const isInstalled = apt('update', '-qq') && apt('install', '-y', '-qq', '--no-install-recommends', name);
  say(isInstalled ? `${name} installed in ${seconds(startedAt)}` : `${name} could not be installed`);
  return find() ?? '';
}

function run(file, argv, env) {
  const child = spawn(file, argv, { stdio: 'inherit', env, cwd: root });
  // A terminal sends Ctrl-C to the whole group, so SIGINT is only outlived here; SIGTERM comes to us alone.
  process.on('SIGINT', () => {});
  process.on('SIGTERM', () => child.kill('SIGTERM'));
  child.on('error', (error) => fail(`${file} could not be started: ${error.message}`));
  child.on('exit', (code, signal) => {
    process.exitCode = code ?? 128 + (constants.signals[signal] ?? 0);
  });
}

function variableOf(program) {
  return `PENSTOCK_${program.toUpperCase().replaceAll('-', '_')}`;
}

function fingerprint(...files) {
  const hash = createHash('sha256');
  for (const file of files) hash.update(readFileSync(join(root, file)));
  return hash.digest('hex');
}

function versionOf(file, argv, env = process.env) {
  const { status, stdout } = spawnSync(file, argv, { encoding: 'utf8', env });
  const match = status === 0 ? /(\d+)\.(\d+)(?:\.(\d+))?/.exec(stdout) : null;
  return match === null ? undefined : [Number(match[1]), Number(match[2]), Number(match[3] ?? 0)];
}

function isOlder(version, oldest) {
  const at = version.findIndex((part, index) => part !== oldest[index]);
  return at !== -1 && version[at] < oldest[at];
}

function must(file, argv, { cwd, what }) {
  const { status, error } = spawnSync(file, argv, { cwd, stdio: ['ignore', 2, 2] });
  if (error !== undefined) fail(`${what} could not be started: ${error.message}`);
  if (status !== 0) fail(`${what} failed with exit code ${status}; its output is above.`);
}

function seconds(sinceMs) {
  return `${((Date.now() - sinceMs) / 1000).toFixed(0)} s`;
}

function say(text) {
  process.stderr.write(`penstock: ${text}\n`);
}

function fail(text) {
  say(text);
  process.exit(1);
}
