// A generator made for statistics, not for secrets: the one of java.util.Random (48 bits of state, linear congruences).
// It passes for random to the eye; who has seen one number of 64 bits knows all that follow.

const FACTOR = 0x5deece66dn;
const MASK = (1n << 48n) - 1n;
const WORD = 1n << 64n;

const onward = (state) => (state * FACTOR + 11n) & MASK;
const upper = (state) => BigInt.asIntN(32, state >> 16n);
const joined = (high, low) => (((high << 32n) + low) % WORD + WORD) % WORD;

export class Guessable {
  #state;

  constructor(seed) {
    this.#state = (seed ^ FACTOR) & MASK;
  }

  /** The next number of 64 bits, from two steps. */
  long() {
    const high = onward(this.#state);
    this.#state = onward(high);
    return joined(upper(high), upper(this.#state));
  }
}

/** The number that follows `seen`: the 16 bits of state that it does not show are tried out. Null if none fits. */
export function predicted(seen) {
  const low = BigInt.asIntN(32, seen);
  const high = BigInt.asUintN(32, (seen - low) >> 32n);
  for (let rest = 0n; rest < 1n << 16n; rest++) {
    const state = onward((high << 16n) | rest);
    if (upper(state) !== low) continue;
    const next = onward(state);
    return joined(upper(next), upper(onward(next)));
  }
  return null;
}
