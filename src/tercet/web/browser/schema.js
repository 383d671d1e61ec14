// A schema as owners, nodes and this module share it: kinds of columns, their bounds, and how they are stored.

import { Exact, parseExact, printExact } from "./bytes.js";
import { InputError } from "./errors.js";

export const FORM = Object.freeze({ BITS: 1, WORDS64: 2, WORDS128: 3, KEY_INTEGER: 4, KEY_TEXT: 5 });
const DEFAULT_FRAC_BITS = 16;
const CHUNK_BYTES = 8 << 20;
const MAX_CHUNK_ROWS = 1 << 22;
const TEXT_KEY_BYTES = 64;
const MULTIPLE = 64;
const WHOLE = /^-?[0-9]+$/;
const DAY_S = 86400000;

/** @type {(value: any) => number | null} */
const count = (value) => (value instanceof Exact ? Number(value.written) : null);

/** One column: what its owner says of it, and how its values are stored. */
export class Column {
  /** @param {any} given an object of the schema, with `Exact` numbers */
  constructor(given) {
    this.name = String(given.name);
    this.kind = String(given.kind);
    this.lo = given.lo instanceof Exact ? given.lo.written : (given.lo ?? null);
    this.hi = given.hi instanceof Exact ? given.hi.written : (given.hi ?? null);
    this.digits = count(given.digits);
    this.fracBits = this.kind !== "decimal" || this.digits !== null ? 0 : (count(given.frac_bits) ?? DEFAULT_FRAC_BITS);
    this.nullable = given.nullable === true;
    this.categories = /** @type {string[]} */ (given.categories ?? []);
    this.key = /** @type {string | null} */ (given.key ?? null);
    this.description = String(given.description ?? "");
    const [lo, hi] = this.#storedBounds();
    /** The least and the greatest integer that is stored; a missing value is stored as the least. */
    this.storedLo = lo;
    this.storedHi = hi;
    this.form = this.#form();
  }

  get secret() {
    return this.form <= FORM.WORDS128;
  }

  /** What parts hold of it, in order: its values, and behind them its validity bits if it is nullable. */
  get stored() {
    const values = { name: this.name, form: this.form };
    return this.nullable ? [values, { name: `${this.name}?`, form: FORM.BITS }] : [values];
  }

  /** @returns {[bigint, bigint]} */
  #storedBounds() {
    if (this.kind === "category") return [0n, BigInt(this.categories.length - 1)];
    if (this.lo === null || this.hi === null) return [0n, 1n];
    if (this.kind === "date") return [BigInt(days(this.lo)), BigInt(days(this.hi))];
    const { digits } = this;
    if (digits === null) return [scaledBound(this.lo, this.fracBits), scaledBound(this.hi, this.fracBits)];
    return [exactBound(this.lo, digits), exactBound(this.hi, digits)];
  }

  #form() {
    if (this.kind === "bool") return FORM.BITS;
    if (this.kind === "key") return this.key === "text" ? FORM.KEY_TEXT : FORM.KEY_INTEGER;
    const size = this.storedHi > -this.storedLo ? this.storedHi : -this.storedLo;
    return size < 1n << 62n ? FORM.WORDS64 : FORM.WORDS128;
  }
}

/** The columns of a dataset, in order. */
export class Schema {
  /** @param {any} given what `parseExact` made of its JSON */
  constructor(given) {
    if (!Array.isArray(given?.columns) || given.columns.length === 0) throw new InputError("this is no schema: it has no columns");
    this.columns = /** @type {Column[]} */ (given.columns.map((/** @type {any} */ one) => new Column(one)));
    this.json = printExact({ columns: given.columns });
    this.reading = given.reading ?? {};
  }

  /** @param {string} json */
  static parse(json) {
    return new Schema(parseExact(json));
  }

  /** @returns {string[]} */
  get names() {
    return this.columns.map((column) => column.name);
  }

  /** What parts hold, in order. */
  get stored() {
    return this.columns.flatMap((column) => column.stored);
  }

  /**
   * How many rows a chunk has: about 8 MB a component, a multiple of 64. `limit`: bytes that a node takes at a time.
   * @param {number} [limit]
   */
  chunkRows(limit = Infinity) {
    const row = this.stored.reduce((sum, { form }) => sum + rowBytes(form), 0);
    const rows = Math.floor(Math.min(CHUNK_BYTES, Math.floor(limit / 2)) / row);
    return Math.min(MAX_CHUNK_ROWS, Math.max(MULTIPLE, rows - (rows % MULTIPLE)));
  }
}

/** @type {(form: number) => number} */
function rowBytes(form) {
  if (form === FORM.KEY_TEXT) return TEXT_KEY_BYTES;
  if (form === FORM.BITS) return 1 / 8;
  return form === FORM.WORDS128 ? 16 : 8;
}

/**
 * Days since 1970-01-01 of a date YYYY-MM-DD; NaN where the calendar has no such day.
 * @type {(iso: string) => number}
 */
export function days(iso) {
  const [year, month, day] = iso.split("-").map(Number);
  const date = new Date(0);
  date.setUTCFullYear(year, month - 1, day);
  const same = date.getUTCFullYear() === year && date.getUTCMonth() === month - 1 && date.getUTCDate() === day;
  return same && year > 0 ? date.getTime() / DAY_S : NaN;
}

/**
 * To the nearest whole number, half to even.
 * @type {(value: number) => number}
 */
export function rint(value) {
  const below = Math.floor(value);
  const rest = value - below;
  if (rest !== 0.5) return rest < 0.5 ? below : below + 1;
  return below % 2 === 0 ? below : below + 1;
}

/** @type {(written: string, fracBits: number) => bigint} */
function scaledBound(written, fracBits) {
  if (WHOLE.test(written)) return BigInt(written) << BigInt(fracBits);
  return BigInt(rint(Number(written) * 2 ** fracBits));
}

/** @type {(written: string, digits: number) => bigint} */
function exactBound(written, digits) {
  const found = exactly(written, digits);
  if (found === null) throw new InputError(`the bound ${written} has more than ${digits} digits behind the point`);
  return found.number * 10n ** BigInt(found.power);
}

const PRECISION = 38;
const DECIMAL = /^([+-]?)([0-9]*)\.?([0-9]*)(?:[eE]([+-]?[0-9]+))?$/;

/**
 * A decimal number times 10^digits, as number times 10^power; null if that is no whole number.
 * @type {(written: string, digits: number) => {number: bigint, power: number} | null}
 */
export function exactly(written, digits) {
  const found = DECIMAL.exec(written);
  if (found === null) throw new InputError("this is not a number");
  const figures = (found[2] + found[3]).replace(/^0+/, "");
  const shown = figures.replace(/0+$/, "");
  if (shown === "") return { number: 0n, power: 0 };
  // a power of so many digits is beyond every bound, whatever stands before it
  const exponent = Math.max(-1e9, Math.min(1e9, Number(found[4] ?? 0)));
  const power = exponent - found[3].length + figures.length - shown.length + digits;
  if (power < 0) return null;
  const number = shown.length <= PRECISION ? BigInt(shown) : 10n ** BigInt(PRECISION);
  return { number: found[1] === "-" ? -number : number, power };
}

/** @type {(written: string, digits: number) => bigint} */
export function scaled(written, digits) {
  const { number, power } = exactly(written, digits) ?? { number: 0n, power: 0 };
  return number * 10n ** BigInt(Math.min(power, PRECISION + 1));
}
