// How the texts of a table are read: what is missing, numbers and dates in the notation that the owner named.
// The rules, and the words of refusals, are those of tercet/client/texts.py and tercet/client/columns.py.

const SPACE = "\\t-\\r\\x1c-\\x20\\x85\\xa0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000";
const AROUND = new RegExp(`^[${SPACE}]+|[${SPACE}]+$`, "g");
const MISSING = new Set(["", "na", "n/a", "#n/a", "<na>", "nan", "nat", "null", "none", "-", "?"]);
const GROUPS = { " ": "[ \\u00a0\\u2009\\u202f]", "'": "['\\u2019]", ".": "\\.", ",": ",", _: "_" };
const BLANK = "[\\t\\n\\f\\r \\u00a0\\u2009\\u202f]*";
const ZONE = "(?:[Zz]|[A-Z]{2,5}|(?:UTC|GMT)?[+-][0-9]{1,2}(?::?[0-9]{2})?)";
const TIME =
  "(?:[01]?[0-9]|2[0-4])(?::?[0-5][0-9](?::?(?:[0-5][0-9]|60)(?:[.,][0-9]+)?)?)?" +
  `(?: ?[AaPp]\\.?[Mm]\\.?)?(?: ?${ZONE})?(?: ?\\[[A-Za-z0-9_/+\\-]+\\])?`;
const YEAR_FIRST = new RegExp(`^([0-9]{4})[./]([0-9]{1,2})[./]([0-9]{1,2})((?:T|,? +)${TIME})?$`);
const NO_NUMBER = "no number";

export const NUMBER = /^[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?$/;
export const ISO = new RegExp(`^[0-9]{4}-[0-9]{2}-[0-9]{2}(?:(?:T| +)${TIME})?$`);
export const YEAR_LAST = new RegExp(`^([0-9]{1,2})[./\\-]([0-9]{1,2})[./\\-]([0-9]{4})((?:T|,? +)${TIME})?$`);

/** @typedef {string | null} Cell a text, or null for an empty field */

/** @type {(value: string) => string} */
export const trim = (value) => value.replace(AROUND, "");
/** @type {(value: string) => string} */
const escaped = (value) => value.replace(/[.*+?^${}()|[\]\\/-]/g, "\\$&");

/**
 * How to read what was said in a schema under `reading`.
 */
export class Reading {
  /** @param {any} given strings, booleans and lists of strings, as in a schema file */
  constructor(given) {
    this.delimiter = /** @type {string | null} */ (given.delimiter ?? null);
    this.header = /** @type {boolean | null} */ (given.header ?? null);
    this.names = /** @type {string[] | null} */ (given.names ?? null);
    this.skipRows = Number(given.skip_rows?.written ?? 0);
    this.dayFirst = /** @type {boolean | null} */ (given.day_first ?? null);
    this.na = /** @type {Set<string> | null} */ (given.na ? new Set(["", ...given.na.map(trim)]) : null);
    this.strip = /** @type {string[]} */ (given.strip ?? []);
    this.point = given.decimal ?? (given.thousands === "." ? "," : ".");
    this.group = given.thousands ?? (this.point === "," ? "." : null);
  }

  /** @type {(value: string) => boolean} */
  #missing(value) {
    const bare = trim(value);
    return this.na === null ? MISSING.has(bare.toLowerCase()) : this.na.has(bare);
  }

  /**
   * A piece of a column with null for what means a missing value, numbers and dates rewritten.
   * @param {Cell[]} cells
   * @param {import("./schema.js").Column} column
   * @returns {Cell[]}
   */
  canonical(cells, column) {
    const { kind } = column;
    if (kind === "key" && this.na === null) return cells;
    const known = new Set(kind === "category" ? column.categories : []);
    const meant = cells.map((cell) =>
      cell === null || (this.#missing(cell) && !known.has(trim(cell))) ? null : cell,
    );
    const rewrite = kind === "integer" || kind === "decimal" ? this.#number() : kind === "date" ? this.#date() : null;
    return rewrite === null ? meant : meant.map((cell) => (cell === null ? null : rewrite(cell)));
  }

  /** @returns {(value: string) => string} */
  #number() {
    const plain = (/** @type {string} */ value) => trim(value).replace(/^\u2212/, "-");
    if (this.point === "." && this.group === null && this.strip.length === 0) return plain;
    const point = escaped(this.point);
    const fits = new RegExp(`^[+-]?([0-9]+${point}?[0-9]*|${point}[0-9]+)([eE][+-]?[0-9]+)?$`);
    const signs = this.strip.map((sign) => {
      const here = escaped(trim(sign));
      return [new RegExp(`^([+-]?)[\\t\\n\\f\\r ]*${here}${BLANK}`), new RegExp(`${BLANK}${here}$`)];
    });
    const [group, grouped] = this.#groups(point);
    return (value) => {
      let bare = plain(value);
      for (const [before, behind] of signs) bare = bare.replace(before, "$1").replace(behind, "");
      const whole = grouped !== null && grouped.test(bare);
      if (!whole && !fits.test(bare)) return NO_NUMBER;
      if (whole) bare = bare.replaceAll(/** @type {RegExp} */ (group), "");
      return this.point === "." ? bare : bare.replaceAll(this.point, ".");
    };
  }

  /** @type {(point: string) => [RegExp | null, RegExp | null]} */
  #groups(point) {
    if (this.group === null) return [null, null];
    const sign = GROUPS[/** @type {keyof typeof GROUPS} */ (this.group)];
    const thousands = `[0-9]{1,3}(${sign}[0-9]{3})+`;
    const indian = `[0-9]{1,2}(${sign}[0-9]{2})+${sign}[0-9]{3}`;
    return [new RegExp(sign, "g"), new RegExp(`^[+-]?(${thousands}|${indian})(${point}[0-9]*)?$`)];
  }

  /** @returns {(value: string) => string} */
  #date() {
    const { dayFirst } = this;
    const iso = (/** @type {string} */ y, /** @type {string} */ m, /** @type {string} */ d) =>
      `${y}-${m.padStart(2, "0")}-${d.padStart(2, "0")}`;
    return (value) => {
      const bare = trim(value);
      const first = YEAR_FIRST.exec(bare);
      if (first !== null) return iso(first[1], first[2], first[3]);
      const last = dayFirst === null ? null : YEAR_LAST.exec(bare);
      if (last === null) return bare;
      return dayFirst ? iso(last[3], last[2], last[1]) : iso(last[3], last[1], last[2]);
    };
  }
}
