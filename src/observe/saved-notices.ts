import { z } from 'zod';
import { type NoticeEvent, noticeKinds, type SentNotice } from './notice.ts';
import type { NoticeMemory } from './notice-state.ts';

/** What outlives a process: what people were told, and what is still to be told to whom. */
export interface SavedNotices {
  readonly memory: NoticeMemory;
  /** By the target’s name. */
  readonly waiting: Readonly<Record<string, readonly SentNotice[]>>;
}

const event = z.enum(Object.keys(noticeKinds) as [NoticeEvent, ...NoticeEvent[]]);
const told = { event, what: z.string(), why: z.string(), hint: z.string() };
const name = z.string().exactOptional();
const about = { policy: name, tier: name, subject: name };
const severity = z.enum(['info', 'warning', 'error']);
const time = z.number();

const episode = z.object({
  occurrence: z.object({ ...told, ...about, severity: severity.exactOptional() }),
  since: time,
  toldAt: time.exactOptional(),
  toldEvent: event.exactOptional(),
  goneAt: time.exactOptional(),
  recovery: z.object({ what: name, subject: name }).exactOptional(),
  endedAt: time.exactOptional(),
  relapses: z.number(),
  untold: z.number().exactOptional(),
});

const sent = z.object({
  ...{ ...told, ...about, severity, id: z.string(), cluster: z.string(), at: z.iso.datetime(), since: name },
  state: z.enum(['began', 'lasts', 'recovered', 'happened']),
  more: z.number().exactOptional(),
});

const saved = z.object({
  memory: z.record(z.string(), z.unknown()).catch({}),
  waiting: z.record(z.string(), z.array(z.unknown()).catch([])).catch({}),
});

/** What another version wrote, or somebody changed by hand, is left out, and hides nothing else. */
export function readSaved(text: string | undefined): SavedNotices {
  const { memory, waiting } = saved.catch({ memory: {}, waiting: {} }).parse(jsonOf(text));
  const entries = <T>(some: Readonly<Record<string, unknown>>, read: (value: unknown) => T[]) =>
    Object.fromEntries(Object.entries(some).flatMap(([key, value]) => read(value).map(one => [key, one] as const)));
  return {
    memory: entries(memory, value => valid(episode, value)),
    waiting: Object.fromEntries(Object.entries(waiting).map(([target, some]) => [target, some.flatMap(one => valid(sent, one))])),
  };
}

function valid<T>(schema: z.ZodType<T>, value: unknown): T[] {
  const parsed = schema.safeParse(value);
  return parsed.success ? [parsed.data] : [];
}

function jsonOf(text: string | undefined): unknown {
  try {
    return JSON.parse(text ?? '{}');
  } catch {
    return {};
  }
}
