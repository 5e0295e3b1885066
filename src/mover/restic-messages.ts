/** What restic says, as far as a mover cares (`--json`, restic 0.17 and later). */
export type ResticMessage =
  | { readonly type: 'status'; readonly files: number; readonly bytes: number; readonly totalBytes: number }
  | { readonly type: 'summary'; readonly fields: ResticFields }
  | { readonly type: 'snapshot' | 'node'; readonly fields: ResticFields }
  /** About one file. */
  | { readonly type: 'error'; readonly item: string; readonly text: string }
  /** The last thing that it says when it fails. */
  | { readonly type: 'exit'; readonly text: string }
  /** The store failed, and is tried again. `first`: it has not answered yet. */
  | { readonly type: 'retry'; readonly text: string; readonly first: boolean }
  /** Trying again helped. */
  | { readonly type: 'answered' }
  | { readonly type: 'text'; readonly text: string }
  | { readonly type: 'other' };

export type ResticFields = Readonly<Record<string, unknown>>;

const retrying = /^(\S.*?) returned error, retrying after [^:]+: (.*)$/s;

const answered = /^\S.* operation successful after \d+ retries$/;

/** Never throws: what is not understood is text. */
export function parseResticLine(line: string): ResticMessage {
  const fields = line.startsWith('{') ? parsed(line) : undefined;
  if (fields === undefined) {
    const [, call = '', text] = retrying.exec(line) ?? [];
    if (text !== undefined) return { type: 'retry', text: `${call}: ${text}`, first: call === 'Stat(<config/>)' };
    return answered.test(line) ? { type: 'answered' } : { type: 'text', text: line };
  }
  switch (fields['message_type']) {
    case 'status':
      return {
        type: 'status',
        files: countOf(fields, 'files_done') || countOf(fields, 'files_restored'),
        bytes: countOf(fields, 'bytes_done') || countOf(fields, 'bytes_restored'),
        totalBytes: countOf(fields, 'total_bytes'),
      };
    case 'summary':
      return { type: 'summary', fields };
    case 'snapshot':
    case 'node':
      return { type: fields['message_type'], fields };
    case 'error':
      return { type: 'error', item: textOf(fields, 'item'), text: errorText(fields['error']) || textOf(fields, 'message').trim() };
    case 'exit_error':
      return { type: 'exit', text: textOf(fields, 'message').replace(/^(Fatal: )+/, '') };
    default:
      return { type: 'other' };
  }
}

function parsed(line: string): ResticFields | undefined {
  try {
    return JSON.parse(line) as ResticFields;
  } catch {
    return undefined;
  }
}

/** A number of a message; 0 where it is missing, as restic leaves out zeros. */
export function countOf(fields: ResticFields, name: string): number {
  const value = fields[name];
  return typeof value === 'number' && Number.isFinite(value) && value >= 0 ? value : 0;
}

export function textOf(fields: ResticFields, name: string): string {
  const value = fields[name];
  return typeof value === 'string' ? value : '';
}

/** Either text or an object with a message, by version and command. */
function errorText(error: unknown): string {
  if (typeof error === 'string') return error;
  if (typeof error !== 'object' || error === null) return '';
  return textOf(error as ResticFields, 'message');
}
