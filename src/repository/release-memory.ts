/**
 * Gives back at once what nobody will look at again: garbage of megabytes outside the heap is collected late. All views of the same memory are
 * empty afterwards. What Node.js shares among small buffers is left alone.
 */
export function releaseMemory({ buffer }: Uint8Array): void {
  if (buffer instanceof ArrayBuffer && !buffer.detached && buffer.byteLength > Buffer.poolSize) buffer.transfer(0);
}
