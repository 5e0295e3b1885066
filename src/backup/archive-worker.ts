import { type MessagePort, parentPort, workerData } from 'node:worker_threads';
import { asHoldfastError } from '../domain/errors.ts';
import { createIndexWriter } from '../repository/index-writer.ts';
import { shardName } from '../repository/layout.ts';
import { createShardBuilder } from '../repository/shard-builder.ts';
import type { ArchiveSettings, FromWorker, ToWorker } from './archive-protocol.ts';
import { createPacker } from './packer.ts';

/** Files handed to the main thread and not stored yet; bounds the memory they hold. */
const mostUnstored = 2;

/** Packs, compresses and seals off the main thread: objects in, sealed files out. */
async function run(port: MessagePort, settings: ArchiveSettings): Promise<void> {
  let unstored = 0;
  /** Resources, secrets and the index each have at most one file that waits for its turn. */
  const waiting: (() => void)[] = [];
  const send = (message: FromWorker, transfer: ArrayBuffer[] = []): void => port.postMessage(message, transfer);

  const handOver = async (message: FromWorker & { bytes: Uint8Array<ArrayBuffer> }): Promise<void> => {
    while (unstored >= mostUnstored) await new Promise<void>(resolve => waiting.push(resolve));
    unstored++;
    send(message, [message.bytes.buffer]);
  };
  const sealed = { recipients: settings.recipients };
  const builder = (shardClass: 'resources' | 'secrets') =>
    createShardBuilder({
      ...sealed,
      class: shardClass,
      nameOf: n => shardName(shardClass, n, settings.recipients.length > 0),
      ...(shardClass === 'secrets' ? { digestKey: settings.digestKey } : {}),
      onShard: ({ record, bytes }) => handOver({ type: 'shard', record, bytes: own(bytes) }),
    });
  const index = createIndexWriter({
    ...sealed,
    sealIndex: settings.sealIndex,
    onPart: ({ record, bytes }) => handOver({ type: 'index', record, bytes: own(bytes) }),
  });
  const packer = createPacker({ settings, resources: builder('resources'), secrets: builder('secrets'), index });

  let queue = Promise.resolve();
  const fail = (thrown: unknown): void => {
    const error = asHoldfastError(thrown);
    send({ type: 'failed', code: error.code, message: error.message });
    port.close();
  };
  port.on('message', (message: ToWorker) => {
    if (message.type === 'stored') {
      unstored--;
      waiting.shift()?.();
      return;
    }
    queue = queue
      .then(async () => {
        if (message.type === 'items') {
          const { buffer } = message;
          send({ type: 'taken', ...(await packer.add(message)), buffer }, [buffer.buffer]);
        } else {
          send({ type: 'done', ...(await packer.finish()) });
          port.close();
        }
      })
      .catch(fail);
  });
}

/** A view into a larger or shared buffer cannot be transferred by itself. */
function own(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  const whole = bytes.buffer instanceof ArrayBuffer && bytes.byteOffset === 0 && bytes.byteLength === bytes.buffer.byteLength;
  return whole ? (bytes as Uint8Array<ArrayBuffer>) : new Uint8Array(bytes);
}

if (parentPort !== null) void run(parentPort, workerData as ArchiveSettings);
