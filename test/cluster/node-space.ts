import { execFile } from 'node:child_process';
import { chmod, mkdir, readFile, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { promisify } from 'node:util';
import { type GuardedCommand, type GuardedProcess, startGuarded } from './guarded-process.ts';
import { controlGroupRoot, namespaces, nodeEnvironment } from './node-support.ts';
import { waitForServer } from './wait.ts';

const run = promisify(execFile);
const mostNodes = 250;

/**
 * Namespaces of mounts, processes and network that a node's programs run in. With the first process of the space everything in it
 * ends: containers, mounts, bridges and firewall rules. From this machine one link leads into it.
 */
export interface NodeSpace {
  /** Of this machine, as the node and its pods reach it. */
  readonly hostAddress: string;
  /** Of the node, as this machine reaches it; so are the pods and services. */
  readonly nodeAddress: string;
  readonly podRange: string;
  readonly serviceRange: string;
  /** Path of the control group for everything that runs in pods, below each controller's root. */
  readonly controlGroup: string;
  /** Files of the node. */
  readonly dir: string;
  /** Starts a server in the space. */
  start(command: GuardedCommand): Promise<GuardedProcess>;
  /** Runs a program in the space to its end and gives its output; throws when it fails. */
  run(program: string, args: readonly string[], timeoutMs?: number): Promise<string>;
  /** Ends everything in it; may be called twice. */
  stop(): Promise<void>;
}

/**
 * The first process of the space: it prepares what programs find there, and waits for orphans. /run and what else servers keep state in
 * are the space's own. Settings of the whole machine that a kubelet would change are hidden behind files that have the values it wants.
 */
const initScript = `
set -e
read -r pid rest < /proc/self/stat # as this machine numbers it, until /proc is replaced
mount --make-rshared /
mount -t proc proc /proc
mount -t tmpfs -o mode=755 tmpfs /run
mkdir -p /run/lock /var/lib/kubelet /var/lib/cni
mount --bind "$1/kubelet" /var/lib/kubelet
mount --bind "$1/cni-state" /var/lib/cni
mount --bind "$1/log" /var/log
setting() { echo "$3" > "$1/settings/\${2##*/}"; mount --bind "$1/settings/\${2##*/}" "/proc/sys/$2"; }
setting "$1" vm/overcommit_memory 1
setting "$1" kernel/panic 10
setting "$1" kernel/panic_on_oops 1
setting "$1" kernel/keys/root_maxkeys 1000000
setting "$1" kernel/keys/root_maxbytes 25000000
echo 1 > /proc/sys/net/ipv4/ip_forward
ip link set lo up
if [ -e "$3/cgroup.controllers" ]; then mkdir "$3/$2"
else for controller in "$3"/*/; do [ -e "$controller/cgroup.procs" ] && mkdir -p "$controller/$2"; done; fi
echo "$pid" > "$1/init.tmp"
mv "$1/init.tmp" "$1/init"
sleep infinity &
while :; do wait; done`;

/** The program itself, and not only the one that entered the space for it, is to get the signal to end. */
const enteredScript = `
echo $$ > "$0"
exec setpriv --pdeathsig TERM "$@"`;

/** Waits for the program's end, and brings it about. Fails where the space is gone, and the program with it. */
const endScript = `
n=0
while kill -0 "$1" 2>/dev/null; do
  [ $n -ge "$2" ] && kill -s KILL "$1"
  n=$((n+1))
  sleep 0.1
done`;

/** Loop devices are the whole machine's. Those that are attached in the space are noted, so that they can be given back. */
const losetupWrapper = `#!/bin/sh
case "$1" in
  -f | --find)
    for file; do :; done
    device=$(REAL --find --show "$file") || exit
    if [ "$(cat "/sys/block/\${device##*/}/ro")" = 1 ]; then # left behind by whoever had the device before
      blockdev --setrw "$device" && REAL --detach "$device" && REAL "$device" "$file" || exit
    fi
    touch "$NODE_DIR/loops/\${device##*/}"
    case " $* " in *" --show "*) echo "$device" ;; esac ;;
  -d | --detach)
    REAL "$@" || exit
    rm -f "$NODE_DIR/loops/\${2##*/}" ;;
  *) exec REAL "$@" ;;
esac
`;

/**
 * Shell commands that give back what a node space holds of the machine beside its processes, once those are gone: to be run before the
 * cluster's directory (\`$1\`) is removed. Without a node there is nothing to do.
 */
export const releaseNode = `
node="$1/node"
if [ -d "$node" ]; then
  PATH="$PATH:/usr/sbin:/sbin"
  link=$(cat "$node/link" 2>/dev/null)
  index=$(cat "$node/link-index" 2>/dev/null)
  # Another cluster may have the name by now, or a loop device: the index is given only once, and a device tells its file.
  is_there() { [ -n "$index" ] && [ "$(cat "/sys/class/net/$link/ifindex" 2>/dev/null)" = "$index" ]; }
  n=0
  while is_there && [ $n -lt 100 ]; do n=$((n+1)); sleep 0.1; done
  is_there && ip link del "$link" 2>/dev/null
  for round in 1 2 3; do
    for loop in "$node"/loops/*; do
      [ -e "$loop" ] || continue
      case "$(cat "/sys/block/\${loop##*/}/loop/backing_file" 2>/dev/null)" in
        *"/\${1##*/}/"*) ;;
        */node/*) rm -f "$loop" && continue ;;
      esac
      losetup --detach "/dev/\${loop##*/}" 2>/dev/null && rm -f "$loop"
    done
  done
  n=0
  while [ $n -lt 50 ]; do
    left=$(find ${controlGroupRoot} -depth -type d -path "*/\${1##*/}*" 2>/dev/null)
    [ -z "$left" ] && break
    echo "$left" | xargs -r rmdir 2>/dev/null || sleep 0.1
    n=$((n+1))
  done
fi`;

/** Makes the space in `clusterDir`/node. The caller has checked that this machine can. */
export async function startNodeSpace(clusterDir: string): Promise<NodeSpace> {
  const dir = join(clusterDir, 'node');
  for (const folder of ['kubelet', 'cni-state', 'log', 'settings', 'loops', 'bin', 'pids'])
    await mkdir(join(dir, folder), { recursive: true });
  const controlGroup = basename(clusterDir);
  const environment = await environmentIn(dir);
  const init = await startGuarded({
    name: 'node',
    command: 'unshare',
    args: [...namespaces, '/bin/sh', '-c', initScript, 'node-init', dir, controlGroup, controlGroupRoot],
    env: environment,
    logFile: join(dir, 'init.log'),
  });
  try {
    const pid = () => readFile(join(dir, 'init'), 'utf8').catch(() => '');
    await waitForServer(init, async () => (await pid()) !== '', { timeoutMs: 60_000 });
    const process = (await pid()).trim();
    const number = await link(dir, process);
    const enter = ['--target', process, '--mount', '--pid', '--net', '--'];
    return {
      ...addresses(number),
      controlGroup,
      dir,
      start: async command => {
        const pidFile = join(dir, 'pids', command.name);
        const server = await startGuarded({
          ...command,
          command: 'nsenter',
          args: [...enter, '/bin/sh', '-c', enteredScript, pidFile, command.command, ...command.args],
          env: { ...environment, ...command.env },
        });
        const stop = async (graceMs = 15_000) => {
          await server.stop(graceMs);
          const pid = (await readFile(pidFile, 'utf8').catch(() => '')).trim();
          if (pid)
            await run('nsenter', [...enter, '/bin/sh', '-c', endScript, 'end', pid, `${graceMs / 100}`], { env: environment }).catch(
              () => {},
            );
        };
        return { ...server, stop };
      },
      run: async (program, args, timeoutMs = 60_000) => {
        const { stdout } = await run('nsenter', [...enter, program, ...args], { env: environment, timeout: timeoutMs });
        return stdout;
      },
      stop: () => init.stop(0),
    };
  } catch (thrown) {
    await init.stop(0);
    throw thrown;
  }
}

function addresses(number: number) {
  return {
    hostAddress: `10.213.${number}.1`,
    nodeAddress: `10.213.${number}.2`,
    podRange: `10.214.${number}.0/24`,
    serviceRange: `10.215.${number}.0/24`,
  };
}

async function environmentIn(dir: string): Promise<Record<string, string>> {
  const environment = nodeEnvironment();
  const { stdout } = await run('/bin/sh', ['-c', 'command -v losetup'], { env: environment });
  const wrapper = join(dir, 'bin', 'losetup');
  await writeFile(wrapper, losetupWrapper.replaceAll('REAL', stdout.trim()));
  await chmod(wrapper, 0o755);
  return { ...environment, PATH: `${join(dir, 'bin')}:${environment['PATH']}`, NODE_DIR: dir };
}

/** Takes the first free number: the kernel gives a link's name only once. */
async function link(dir: string, process: string): Promise<number> {
  const ip = (...args: string[]) => run('ip', args, { env: nodeEnvironment() });
  const inside = (...args: string[]) => run('nsenter', ['--target', process, '--net', '--', 'ip', ...args], { env: nodeEnvironment() });
  for (let number = 1; number <= mostNodes; number++) {
    const name = `holdfast${number}`;
    try {
      await ip('link', 'add', name, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', process);
    } catch (thrown) {
      if (/File exists/.test((thrown as { stderr: string }).stderr)) continue;
      throw thrown;
    }
    await writeFile(join(dir, 'link'), name);
    await writeFile(join(dir, 'link-index'), (await readFile(`/sys/class/net/${name}/ifindex`, 'utf8')).trim());
    const { hostAddress, nodeAddress, podRange, serviceRange } = addresses(number);
    await ip('address', 'add', `${hostAddress}/30`, 'dev', name);
    await ip('link', 'set', name, 'up');
    await inside('address', 'add', `${nodeAddress}/30`, 'dev', 'eth0');
    await inside('link', 'set', 'eth0', 'up');
    await inside('route', 'add', 'default', 'via', hostAddress);
    for (const range of [podRange, serviceRange]) await ip('route', 'add', range, 'via', nodeAddress, 'dev', name);
    return number;
  }
  throw new Error(`${mostNodes} nodes are running on this machine already`);
}
