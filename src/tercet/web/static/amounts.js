// Amounts in words for people, written alike on all pages: counts, numbers, bytes, seconds, parts of a whole, money.

const signed = (text) => text.replaceAll("-", "−");

/** A whole number with its digits in threes: "1,000". Numbers, BigInts and texts of digits are taken. */
export const count = (whole) => signed((typeof whole === "number" ? Math.round(whole) : BigInt(whole)).toLocaleString("en"));

/** A whole number with its noun: "1 row", "2,000 rows", "3 entries". */
export const counted = (whole, noun) =>
  `${count(whole)} ${Number(whole) === 1 ? noun : noun.endsWith("y") ? `${noun.slice(0, -1)}ies` : `${noun}s`}`;

/** A number to some significant digits, those before the point in threes: "0.0123", "1,230", "1.5e−9". */
export function number(value, digits = 3) {
  const size = Math.abs(value);
  const rounded = Number(value.toPrecision(digits));
  const far = size >= 1e15 || (size && size < 1e-6);
  return signed(far ? rounded.toExponential().replace("+", "") : rounded.toLocaleString("en", { maximumSignificantDigits: digits }));
}

/** A number where there is little room, to four digits: "12.34", from 10,000 on "25 k", "1.5 M". */
export function short(value) {
  const size = Math.abs(value);
  const step = size >= 1e4 && size < 1e12 ? Math.min(3, Math.floor(Math.log10(size) / 3)) : 0;
  return signed(`${Number((value / 1000 ** step).toPrecision(4))}${["", " k", " M", " G"][step]}`);
}

/** Bytes: "24 B", "1.5 kB". */
export function bytes(size) {
  const units = ["B", "kB", "MB", "GB", "TB"];
  size = Math.ceil(size);
  let at = 0;
  while (size >= 999.5 && at < units.length - 1) {
    size /= 1000;
    at += 1;
  }
  return `${number(size)} ${units[at]}`;
}

/** Seconds: "50 µs", "3.2 s", "2.1 h". */
export function seconds(time) {
  if (time >= 5400) return `${number(time / 3600)} h`;
  if (time >= 120) return `${number(time / 60)} min`;
  if (time >= 0.9995 || time === 0) return `${number(time)} s`;
  return time >= 1e-3 ? `${number(time * 1e3)} ms` : `${number(time * 1e6)} µs`;
}

/** A part of a whole: "40 %". */
export const percent = (part) => `${number(100 * part)} %`;

/** A sum of money without its currency: cents are said below a thousand. */
export function money(sum) {
  if (sum && sum < 0.005) return "< 0.01";
  const cents = sum && sum < 1000 ? 2 : 0;
  return sum.toLocaleString("en", { minimumFractionDigits: cents, maximumFractionDigits: cents });
}
