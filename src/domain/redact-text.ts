export const masked = '[redacted]';

/** Secrets that are known by how they look, wherever they occur. An end that was cut off hides all that follows. */
const secretTexts: readonly (readonly [RegExp, string])[] = [
  [/AGE-(?:SECRET-KEY|PLUGIN-[A-Z0-9]+)-[A-Z0-9-]+/gi, masked],
  [/-----BEGIN [A-Z0-9 ]*PRIVATE KEY-----[\s\S]*?(?:-----END [A-Z0-9 ]*PRIVATE KEY-----|$)/g, masked],
  [/\b(Bearer|Basic)\s+[\w+/=.~-]{6,}/gi, `$1 ${masked}`],
  [/\beyJ[\w-]{8,}\.[\w-]+\.[\w-]*/g, masked],
  // Of an address: who logs in, and parameters.
  [/(\/\/)[^/\s@"']+@/g, `$1${masked}@`],
  [/\b([\w-]{0,64}(?:token|password|passwd|secret|signature|credential|api[-_]?key)[\w-]{0,64}=)[^\s&"'\\;,]+/gi, `$1${masked}`],
  // JSON in a string, however often it was quoted.
  [
    /(\\*"[\w-]{0,64}(?:authorization|token|password|secret|identity|cookie)[\w-]{0,64}\\*"\s*:\s*\\*")(?:[^"\\]|\\+[^"\\])+/gi,
    `$1${masked}`,
  ],
];

/** The text without anything that is known to be a secret. */
export function redactText(text: string): string {
  return secretTexts.reduce((clean, [pattern, instead]) => clean.replace(pattern, instead), text);
}
