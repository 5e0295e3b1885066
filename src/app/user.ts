import { userInfo } from 'node:os';
import type { Actor } from '../domain/operation.ts';

/** Who runs this process, as the system has it; a container may run as a user without a name. */
export function actorHere(): Actor {
  return { name: userName(), via: 'cli' };
}

function userName(): string {
  try {
    return userInfo().username;
  } catch {
    return `uid ${process.getuid?.() ?? 'unknown'}`;
  }
}
