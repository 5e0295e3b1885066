/** How a backup is named, wherever a command takes one. */
export const setArgument = {
  term: '<backup>',
  text: 'id, the beginning of one, latest, a day (2026-11-20: the newest up to its end, UTC) or a time with its zone',
} as const;
