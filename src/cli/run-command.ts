import type { Command } from 'commander';
import type { App } from '../app.ts';
import type { Config, FlagValue } from '../config/load.ts';
import { HoldfastError } from '../domain/errors.ts';
import type { Call, CommandSpec } from './command.ts';
import { commandSignal } from './command-signal.ts';
import { longName, type OutputFormat, type SharedOptions, toOption } from './flags.ts';
import { allSharedFlags, fullName } from './program.ts';
import { createReporter, type ProgressMode } from './progress.ts';
import type { Host } from './run.ts';
import { isRemote, requireOnePlace } from './server-choice.ts';
import { styleFor } from './style.ts';

/** Runs one parsed command to its exit code, under its time limit, and closes what it opened. */
export async function runCommand(spec: CommandSpec, command: Command, program: Command, host: Host): Promise<number> {
  const options = command.optsWithGlobals<SharedOptions>();
  const format = options.output ?? spec.outputs[0] ?? 'table';
  if (!spec.outputs.includes(format)) {
    throw new HoldfastError('USAGE', `${fullName(command)} has no output format ${format}; it has ${spec.outputs.join(', ')}`);
  }
  const flags = settingFlags(spec, command, program);
  let loading: Promise<Config> | undefined;
  let building: Promise<App> | undefined;
  const readConfig = async () => (await import('./read-config.ts')).loadChecked(host.environment, { flags, file: options.config });
  const config = () => (loading ??= readConfig());
  const signal = commandSignal(host.signal);
  const noteStyle = styleFor(host.terminal.stderr, options.color);
  const reporter = createReporter({
    mode: progressMode(spec, format, options, host),
    stdout: host.terminal.stdout,
    stderr: host.terminal.stderr,
    style: noteStyle,
    now: () => performance.now(),
  });
  const onWarning = (text: string) => reporter.note(`${noteStyle.warning('warning:')} ${text}`);
  const app = () => (building ??= config().then(settings => openApp(spec, settings, onWarning)));
  const call: Call = {
    ...{ args: command.args, options, format, terminal: host.terminal, reporter, noteStyle, config, readConfig, app, now: host.now },
    style: styleFor(host.terminal.stdout, options.color),
    limitBy,
    signal: signal.signal,
    onHangup: listener => host.onHangup?.(listener),
  };
  if (spec.whenStopped !== undefined) host.onStart?.(spec.whenStopped);
  try {
    if (spec.withoutSettings !== true) await obeySettings(await config());
    return await spec.run(call);
  } catch (thrown) {
    reporter.end('stopped');
    throw signal.explain(thrown);
  } finally {
    signal.end();
    reporter.end('done');
    await building?.then(built => built.close()).catch(() => {});
  }

  async function obeySettings(inForce: Config): Promise<void> {
    requireOnePlace(inForce, spec, fullName(command));
    if (options.verbose === true) {
      const { givenSettings } = await import('./settings-in-force.ts');
      reporter.note(givenSettings(inForce, noteStyle).join('\n'));
    }
    limitBy(inForce);
  }

  function limitBy({ settings, origins }: Config): void {
    signal.limit(settings.timeout, origins.get('timeout') ?? '--timeout');
  }
}

/** Here, or by a running service where one is named. */
async function openApp(spec: CommandSpec, config: Config, onWarning: (text: string) => void): Promise<App> {
  if (!isRemote(config, spec)) return (await import('../app.ts')).createApp(config, { onWarning });
  return (await import('../app/remote.ts')).createRemoteApp(config, { onWarning });
}

/** Values given on the line for options that are settings. */
function settingFlags(spec: CommandSpec, command: Command, program: Command): FlagValue[] {
  const own = (spec.flags ?? []).map(flag => ({ flag, holder: command }));
  const shared = allSharedFlags.map(flag => ({ flag, holder: program }));
  return [...own, ...shared].flatMap(({ flag, holder }) => {
    const name = toOption(flag).attributeName();
    if (flag.setting === undefined || holder.getOptionValueSource(name) !== 'cli') return [];
    return [{ setting: flag.setting, flag: longName(flag), value: holder.getOptionValue(name) as unknown }];
  });
}

function progressMode(spec: CommandSpec, format: OutputFormat, options: SharedOptions, { terminal, environment }: Host): ProgressMode {
  const how = spec.reports?.(options);
  if (how === undefined) return 'quiet';
  if (how === 'lines' && format === 'json') return 'ndjson';
  if (options.quiet === true) return 'quiet';
  // A dumb terminal cannot move its cursor back over what is to be shown anew.
  return terminal.stderr.isTTY === true && environment.variables['TERM'] !== 'dumb' ? 'live' : 'plain';
}
