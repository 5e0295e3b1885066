export interface Replacing<L> {
  readonly open: () => Promise<L>;
  /** Listens no longer at once; may be called once. */
  readonly leave: () => void;
  /** Opens what was left once more. */
  readonly reopen: () => Promise<L>;
  /** May what is listened on now be in the way: the same port of all addresses, or of the other protocol? */
  readonly isInTheWay: boolean;
}

/** Opens the new before the old is left, so that nobody is turned away, unless the old is in the way. What cannot be opened changes nothing. */
export async function replaceListener<L>(
  before: L,
  { open, leave, reopen, isInTheWay }: Replacing<L>,
): Promise<{ readonly now: L; readonly refused?: unknown }> {
  try {
    const now = await open();
    leave();
    return { now };
  } catch (refused) {
    if (!isInTheWay) return { now: before, refused };
  }
  leave();
  try {
    return { now: await open() };
  } catch (refused) {
    return { now: await reopen(), refused };
  }
}
