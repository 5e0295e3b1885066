/** What OpenSSL says, without its addresses and source files: `40CD…:error:0A00010B:SSL routines:…:wrong version number:…`. Other text stays. */
export function plainTls(message: string): string {
  const reason = /:SSL routines:[^:]*:([^:]+):/.exec(message)?.[1];
  if (reason === undefined) return message;
  // What plain HTTP answers looks like a record of a length or version that there is not.
  const isPlain = /^(?:wrong version number|packet length too long|http request)$/.test(reason);
  return isPlain ? `no TLS is spoken there, perhaps http:// is meant (${reason})` : `TLS failed: ${reason}`;
}
