// Columns of texts as what is stored: each piece is checked as a whole; errors name row and column.
//
// The rules and the words are those of tercet/client/columns.py, and a test compares both. No value is ever part of a
// message: an owner may send it to a colleague who asks for help.

import { text } from "./bytes.js";
import { InputError } from "./errors.js";
import { days, exactly, FORM, rint, scaled } from "./schema.js";
import { ISO, NUMBER, trim } from "./texts.js";

const MAX_KEY_BYTES = 1024;
const INT64_MAX = (1n << 63n) - 1n;
const SAFE_DIGITS = 15;
const TRUE = ["true", "yes", "y", "t", "1"];
const FALSE = ["false", "no", "n", "f", "0"];
const FLOAT = /^[+-]?(([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?|nan(\([A-Za-z0-9_]*\))?|inf|infinity)$/i;
const WHOLE = /^[+-]?[0-9]+$/;
const FILL = "fill it in; a column may have missing values only where its schema says nullable = true";
const NO_NUMBER = "correct it: digits with a point before decimals, unless the schema says otherwise";
const WIDER = "correct it, or ask whoever wrote the schema for wider bounds (bounds are public)";

/** @typedef {number | bigint} Integer exact: a number up to 15 digits, else a bigint */

/** The rows of a piece of a column, for messages. */
class Place {
  /**
   * @param {string} column
   * @param {(at: number) => number} row
   */
  constructor(column, row) {
    this.column = column;
    this.row = row;
  }

  /**
   * InputError for the first value that is bad.
   * @template T
   * @param {T[]} values
   * @param {(value: T) => boolean} bad
   * @param {string} why
   * @param {string} [hint]
   */
  refuse(values, bad, why, hint = "") {
    const at = values.findIndex(bad);
    if (at < 0) return;
    throw new InputError(`column ${this.column}, row ${this.row(at)}: the value ${why}`, hint, this.column);
  }
}

/**
 * What is stored for a piece of a column: contents of parts by name, before anything is split.
 * @param {import("./schema.js").Column} column
 * @param {import("./texts.js").Reading} reading
 * @param {import("./texts.js").Cell[]} cells
 * @param {number} firstRow the number of its first row, counted from 1
 * @returns {Map<string, Uint8Array<ArrayBuffer>>}
 */
export function stored(column, reading, cells, firstRow) {
  const meant = reading.canonical(cells, column);
  if (!column.nullable) {
    const place = new Place(column.name, (at) => firstRow + at);
    place.refuse(meant, (cell) => cell === null, "is missing", FILL);
    return new Map([[column.name, layOut(column.form, elements(column, /** @type {string[]} */ (meant), place))]]);
  }
  const present = meant.map((cell) => cell !== null);
  const rows = present.flatMap((there, at) => (there ? [at] : []));
  const place = new Place(column.name, (at) => firstRow + rows[at]);
  const found = elements(column, /** @type {string[]} */ (rows.map((at) => meant[at])), place);
  const all = new Array(meant.length).fill(column.form === FORM.BITS ? false : column.storedLo);
  rows.forEach((row, at) => {
    all[row] = found[at];
  });
  return new Map([
    [column.name, layOut(column.form, all)],
    [`${column.name}?`, bits(present)],
  ]);
}

/** @type {(column: import("./schema.js").Column, texts: string[], place: Place) => any[]} */
function elements(column, texts, place) {
  switch (column.kind) {
    case "bool":
      return bools(texts, place);
    case "category":
      return codes(texts, column.categories, place);
    case "key":
      return column.key === "text" ? textKeys(texts, place) : integerKeys(texts, place);
    case "date":
      return inside(column, dates(texts, place), place);
    case "integer":
      return inside(column, integers(texts.map(trim), place), place);
    case "decimal":
      return column.digits === null ? fixedPoint(column, texts, place) : decimals(column, column.digits, texts, place);
    default:
      throw new InputError(`column ${column.name} is of kind ${column.kind}, which this page does not know`);
  }
}

/** @type {(value: string) => Integer} */
const exactInteger = (value) => (value.length <= SAFE_DIGITS ? Number(value) : BigInt(value.replace("+", "")));

/** @type {(texts: string[], place: Place) => Integer[]} */
function integers(texts, place) {
  if (texts.every((value) => WHOLE.test(value))) return texts.map(exactInteger);
  place.refuse(texts, (value) => !NUMBER.test(value), "is not a number", NO_NUMBER);
  const floats = texts.map(Number);
  place.refuse(floats, (value) => Math.floor(value) !== value, "is not a whole number", "round it");
  place.refuse(floats, (value) => Math.abs(value) >= 2 ** 53, "is too large to be exact", "write it without an exponent");
  return floats;
}

/**
 * Integers, if they lie within the stored bounds.
 * @type {(column: import("./schema.js").Column, values: Integer[], place: Place) => Integer[]}
 */
function inside(column, values, place) {
  const { storedLo: lo, storedHi: hi } = column;
  place.refuse(values, (value) => value < lo || value > hi, outside(column), WIDER);
  return values;
}

/** @type {(column: import("./schema.js").Column) => string} */
const outside = (column) => `is outside the declared bounds [${column.lo}, ${column.hi}]`;

/** @type {(column: import("./schema.js").Column, texts: string[], place: Place) => Integer[]} */
function fixedPoint(column, texts, place) {
  if (!texts.every((value) => FLOAT.test(value))) {
    place.refuse(texts, (value) => !NUMBER.test(value), "is not a number", NO_NUMBER);
  }
  const floats = texts.map(float);
  place.refuse(floats, Number.isNaN, "is missing", FILL);
  const [lo, hi] = [Number(column.lo), Number(column.hi)];
  const bad = (/** @type {number} */ value) => value < lo || value > hi;
  if (floats.some(bad)) place.refuse(floats, (value) => !Number.isFinite(value), "is infinite");
  place.refuse(floats, bad, outside(column), WIDER);
  return floats.map((value) => whole(rint(value * 2 ** column.fracBits)));
}

/** @type {(value: string) => number} */
function float(value) {
  const bare = value.toLowerCase();
  if (bare.includes("nan")) return NaN;
  if (bare.includes("inf")) return bare[0] === "-" ? -Infinity : Infinity;
  return Number(value);
}

/** @type {(value: number) => Integer} */
const whole = (value) => (Number.isSafeInteger(value) ? value : BigInt(value));

/** @type {(column: import("./schema.js").Column, digits: number, texts: string[], place: Place) => bigint[]} */
function decimals(column, digits, texts, place) {
  place.refuse(texts, (value) => !NUMBER.test(value), "is not a number", NO_NUMBER);
  const why = `has more than ${digits} digits behind the point`;
  place.refuse(texts, (value) => exactly(value, digits) === null, why, "round it");
  const values = texts.map((value) => scaled(value, digits));
  const { storedLo: lo, storedHi: hi } = column;
  place.refuse(values, (value) => value < lo || value > hi, outside(column), WIDER);
  return values;
}

/** @type {(texts: string[], place: Place) => boolean[]} */
function bools(texts, place) {
  const found = texts.map((value) => [...TRUE, ...FALSE].indexOf(trim(value).toLowerCase()));
  place.refuse(found, (at) => at < 0, "is neither true nor false", "write true or false, 1 or 0");
  return found.map((at) => at < TRUE.length);
}

/** @type {(texts: string[], categories: string[], place: Place) => number[]} */
function codes(texts, categories, place) {
  const at = new Map(categories.map((name, code) => [name, code]));
  // spaces around a text count only where all texts of the piece are categories as they stand
  const meant = texts.every((value) => at.has(value)) ? texts : texts.map(trim);
  place.refuse(meant, (value) => !at.has(value), "is none of the categories", "correct it");
  return meant.map((value) => /** @type {number} */ (at.get(value)));
}

/** @type {(texts: string[], place: Place) => number[]} */
function dates(texts, place) {
  const bare = texts.map(trim);
  const hint = "write dates as YYYY-MM-DD";
  place.refuse(bare, (value) => !ISO.test(value), "is not a date", hint);
  const found = bare.map((value) => days(value.slice(0, 10)));
  place.refuse(found, Number.isNaN, "is not a date of the calendar", hint);
  return found;
}

/** @type {(texts: string[], place: Place) => Integer[]} */
function integerKeys(texts, place) {
  const found = integers(texts.map(trim), place);
  const narrow = texts.every((value) => !value.includes("+"));
  const least = narrow && found.every((value) => value <= INT64_MAX && value >= -INT64_MAX - 1n) ? -INT64_MAX - 1n : -INT64_MAX;
  place.refuse(found, (value) => value > INT64_MAX || value < least, "is no integer of 64 bits");
  return found;
}

/** @type {(texts: string[], place: Place) => Uint8Array<ArrayBuffer>[]} */
function textKeys(texts, place) {
  const found = texts.map(text);
  place.refuse(found, (value) => value.length === 0, "is missing", "a public key names a row");
  place.refuse(found, (value) => value.length > MAX_KEY_BYTES, `has more than ${MAX_KEY_BYTES} bytes`);
  return found;
}

// ---- as bytes

/**
 * Values as they lie in a part before they are split: booleans, integers, or UTF-8 of texts.
 * @type {(form: number, values: any[]) => Uint8Array<ArrayBuffer>}
 */
export function layOut(form, values) {
  switch (form) {
    case FORM.BITS:
      return bits(values);
    case FORM.WORDS128:
      return words128(values);
    case FORM.KEY_TEXT:
      return keyTexts(values);
    default:
      return new Uint8Array(BigInt64Array.from(values, BigInt).buffer);
  }
}

/**
 * Bit r of the packed words is value r; whole words of 64 bits.
 * @type {(values: boolean[]) => Uint8Array<ArrayBuffer>}
 */
export function bits(values) {
  const packed = new Uint8Array(8 * Math.ceil(values.length / 64));
  values.forEach((value, at) => {
    if (value) packed[at >> 3] |= 1 << (at & 7);
  });
  return packed;
}

/** @type {(values: Integer[]) => Uint8Array<ArrayBuffer>} */
function words128(values) {
  const words = new BigInt64Array(2 * values.length);
  values.forEach((value, at) => {
    words[2 * at] = BigInt(value); // an element of the array takes the lowest 64 bits
    words[2 * at + 1] = BigInt(value) >> 64n;
  });
  return new Uint8Array(words.buffer);
}

/** @type {(values: Uint8Array<ArrayBuffer>[]) => Uint8Array<ArrayBuffer>} */
function keyTexts(values) {
  const offsets = new BigInt64Array(values.length + 1);
  values.forEach((value, at) => {
    offsets[at + 1] = offsets[at] + BigInt(value.length);
  });
  const whole = new Uint8Array(offsets.byteLength + Number(offsets[values.length]));
  whole.set(new Uint8Array(offsets.buffer));
  values.forEach((value, at) => whole.set(value, offsets.byteLength + Number(offsets[at])));
  return whole;
}
