/** For removing what was made, whatever the caller's signal says. */
const cleanUpMs = 60_000;

/** Tries to remove something; what fails is left to the next run. */
export async function cleanUp(
  { onWarning }: { readonly onWarning: (text: string) => void },
  what: string,
  remove: (signal: AbortSignal) => Promise<unknown>,
): Promise<void> {
  try {
    await remove(AbortSignal.timeout(cleanUpMs));
  } catch (thrown) {
    onWarning(`${what} could not be removed: ${(thrown as Error).message}`);
  }
}
