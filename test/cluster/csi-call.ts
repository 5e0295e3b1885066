import { connect, constants } from 'node:http2';
import { createConnection } from 'node:net';

/** A protocol buffer by the numbers of its fields: just enough for requests of CSI. A list repeats its field. */
export interface Message {
  readonly [field: number]: string | number | Message | readonly (string | Message)[];
}

export interface CsiAnswer {
  /** gRPC status code, 0 for well. */
  readonly status: number;
  /** The message as it came. */
  readonly body: Buffer;
}

/** One call of a driver: `csi.v1.GroupController/GetVolumeGroupSnapshot`. Throws when nothing answers. */
export async function csiCall(socket: string, method: string, request: Message): Promise<CsiAnswer> {
  const session = connect('http://localhost', { createConnection: () => createConnection(socket) });
  try {
    return await new Promise<CsiAnswer>((resolve, reject) => {
      session.once('error', reject);
      const call = session.request({
        [constants.HTTP2_HEADER_METHOD]: 'POST',
        [constants.HTTP2_HEADER_PATH]: `/${method}`,
        'content-type': 'application/grpc',
        te: 'trailers',
      });
      const chunks: Buffer[] = [];
      let status = Number.NaN;
      // An answer without a message has its trailers at its head.
      for (const event of ['response', 'trailers'] as const) {
        call.on(event, (headers: Record<string, unknown>) => {
          if (headers['grpc-status'] !== undefined) status = Number(headers['grpc-status']);
        });
      }
      call.on('data', (chunk: Buffer) => chunks.push(chunk));
      call.once('error', reject);
      call.once('end', () => resolve({ status, body: Buffer.concat(chunks).subarray(5) }));
      const body = encoded(request);
      const head = Buffer.alloc(5);
      head.writeUInt32BE(body.length, 1);
      call.end(Buffer.concat([head, body]));
    });
  } finally {
    session.close();
  }
}

function encoded(message: Message): Buffer {
  const parts = Object.entries(message).flatMap(([field, value]) =>
    (Array.isArray(value) ? value : [value]).map((one: string | number | Message) => {
      if (typeof one === 'number') return Buffer.concat([varint(Number(field) * 8), varint(one)]);
      const bytes = typeof one === 'string' ? Buffer.from(one) : encoded(one);
      return Buffer.concat([varint(Number(field) * 8 + 2), varint(bytes.length), bytes]);
    }),
  );
  return Buffer.concat(parts);
}

function varint(value: number): Buffer {
  const bytes: number[] = [];
  for (let left = value; ; left = Math.floor(left / 128)) {
    bytes.push((left % 128) + (left < 128 ? 0 : 128));
    if (left < 128) return Buffer.from(bytes);
  }
}
