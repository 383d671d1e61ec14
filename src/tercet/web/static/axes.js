// What every drawing of numbers needs: round numbers for an axis, and the way from a number to a place.

/** Some round numbers that span low to high. */
export function ticks(low, high, wanted = 5) {
  if (!(high > low)) return [low];
  const rough = (high - low) / wanted;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 2.5, 5, 10].map((one) => one * power).find((one) => one >= rough) ?? 10 * power;
  const found = [];
  for (let at = Math.ceil(low / step); at * step <= high + step * 1e-9; at += 1) found.push(Number((at * step).toPrecision(12)));
  return found;
}

/** A function from numbers between low and high to places between from and to. */
export const scale = (low, high, from, to) => (value) => from + ((value - low) / (high - low || 1)) * (to - from);
