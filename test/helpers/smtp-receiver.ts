import { createServer, type Server, type Socket } from 'node:net';
import { createServer as createTlsServer, TLSSocket } from 'node:tls';

export interface ReceivedMail {
  readonly from: string;
  readonly to: readonly string[];
  /** Headers and text, lines ended by CRLF. */
  readonly data: string;
  readonly encrypted: boolean;
  /** `user:password` where the client logged in. */
  readonly login?: string;
}

export interface SmtpReceiver {
  readonly port: number;
  readonly mails: readonly ReceivedMail[];
  /** All commands, as they came, but for what follows AUTH. */
  readonly commands: readonly string[];
  close(): Promise<void>;
}

export interface SmtpOptions {
  /** PEM; offers STARTTLS, or is encrypted from the first byte where `implicit`. */
  readonly tls?: { readonly key: string; readonly cert: string; readonly implicit?: boolean };
  /** `user:password` that is let in. */
  readonly login?: string;
  /** Answer to a command, by its first word; the usual one unless given. */
  readonly answers?: (command: string) => string | undefined;
  /** Accepts connections and says nothing. */
  readonly mute?: boolean;
}

/** A small real SMTP server (RFC 5321, STARTTLS of RFC 3207, AUTH PLAIN of RFC 4954) that keeps every mail. */
export async function startSmtpReceiver(options: SmtpOptions = {}): Promise<SmtpReceiver> {
  const mails: ReceivedMail[] = [];
  const commands: string[] = [];
  const open = new Set<Socket>();
  const greet = (socket: Socket): void => {
    open.add(socket);
    socket.on('close', () => open.delete(socket)).on('error', () => {});
    if (options.mute !== true) converse(socket, options, mails, commands, true);
  };
  const { tls } = options;
  const server: Server = tls?.implicit === true ? createTlsServer({ key: tls.key, cert: tls.cert }, greet) : createServer(greet);
  server.on('tlsClientError', () => {});
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  return {
    port: typeof address === 'object' && address !== null ? address.port : 0,
    ...{ mails, commands },
    close: async () => {
      for (const socket of open) socket.destroy();
      await new Promise(resolve => server.close(resolve));
    },
  };
}

function converse(socket: Socket, options: SmtpOptions, mails: ReceivedMail[], commands: string[], greets: boolean): void {
  const encrypted = socket instanceof TLSSocket;
  let buffer = '';
  let login: string | undefined;
  let envelope: { from: string; to: string[] } = { from: '', to: [] };
  let data: string[] | undefined;
  const say = (line: string) => socket.write(`${line}\r\n`);

  const onLine = (line: string): void => {
    if (data !== undefined) {
      if (line !== '.') {
        data.push(line.startsWith('..') ? line.slice(1) : line);
        return;
      }
      mails.push({ ...envelope, data: data.join('\r\n'), encrypted, ...(login !== undefined && { login }) });
      data = undefined;
      say('250 kept');
      return;
    }
    const verb = line.split(/[ :]/, 1)[0]!.toUpperCase();
    commands.push(verb === 'AUTH' ? 'AUTH' : line);
    const answer = options.answers?.(line);
    if (answer !== undefined) {
      say(answer);
      return;
    }
    switch (verb) {
      case 'EHLO':
        say('250-receiver');
        if (options.tls !== undefined && !encrypted) say('250-STARTTLS');
        if (options.login !== undefined) say('250-AUTH PLAIN');
        say('250 8BITMIME');
        break;
      case 'STARTTLS': {
        if (options.tls === undefined) {
          say('502 not here');
          break;
        }
        say('220 go on');
        socket.removeAllListeners('data');
        const secured = new TLSSocket(socket, { isServer: true, key: options.tls.key, cert: options.tls.cert });
        secured.on('error', () => {});
        converse(secured, options, mails, commands, false);
        break;
      }
      case 'AUTH': {
        const given = Buffer.from(line.split(' ')[2] ?? '', 'base64')
          .toString('utf8')
          .split('\0')
          .slice(1)
          .join(':');
        if (given === options.login) login = given;
        say(given === options.login ? '235 welcome' : '535 no such user');
        break;
      }
      case 'MAIL':
        envelope = { from: /<(.*)>/.exec(line)?.[1] ?? '', to: [] };
        say('250 ok');
        break;
      case 'RCPT':
        envelope.to.push(/<(.*)>/.exec(line)?.[1] ?? '');
        say('250 ok');
        break;
      case 'DATA':
        data = [];
        say('354 go on');
        break;
      case 'QUIT':
        say('221 bye');
        socket.end();
        break;
      default:
        say('502 unknown');
    }
  };

  socket.on('data', chunk => {
    buffer += chunk.toString('utf8');
    for (let end = buffer.indexOf('\r\n'); end >= 0; end = buffer.indexOf('\r\n')) {
      const line = buffer.slice(0, end);
      buffer = buffer.slice(end + 2);
      onLine(line);
    }
  });
  if (greets) say('220 receiver');
}
