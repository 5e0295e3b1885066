/** The clocks of two machines may differ by this much. What lies further in the future was dated by a clock that was wrong. */
export const clockSlackMs = 10 * 60_000;
