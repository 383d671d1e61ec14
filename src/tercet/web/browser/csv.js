// Rows of CSV: every column as text, which is converted later, so that errors can name line, or row and column.
//
// The rules are those of tercet/client/readers_csv.py and csv_records.py: a field that begins with a quote ends at the
// next quote that is not doubled; a quote elsewhere is a character like any other; empty lines are left out, but in a
// file of one column, where they are missing values.

import { InputError } from "./errors.js";
import { ISO, trim, YEAR_LAST } from "./texts.js";

const DELIMITERS = [",", ";", "\t", "|"];
const SNIFFED = 20;
const LOOKED_AT = 64;
const BLOCK = 1 << 22;
const MOST = 1 << 26;
const MAX_NAME = 64;
const SEP = /^sep=([^\r\n])?[^\r\n]*(?:\r\n|\n|\r|$)/i;
const LINE = /[^\r\n]*(?:\r\n|\n|\r|$)/y;
const COMMENT = /^(#([\t\n\f\r\v ]|#|!|$)|\/\/)/;
const YEAR = /^(19|20)[0-9]{2}$/;
const VALUE = /^([+-]?[0-9][0-9.,' ]*([eE][+-]?[0-9]+)?|[+-]?\.[0-9]+)$/;
const QUOTED = /^"((?:[^"]|"")*)"([^]*)$/;

/** @typedef {{end: number, cells: string[]}} Record the place behind it, and its fields as they are written */

/** @type {(delimiter: string) => RegExp} */
function fieldPattern(delimiter) {
  const d = delimiter.replace(/[\\^\]|.$*+?()[{}-]/g, "\\$&");
  return new RegExp(`(?:"[^"]*(?:""[^"]*)*"(?!")|(?!"))[^${d}\\r\\n]*(${d}|\\r\\n|\\n|\\r|$)`, "y");
}

/**
 * The records of a block; an empty line has no fields. What follows its last end of a line is a record only if the block
 * is the last; a field whose quote is not closed ends the walk.
 * @param {string} block
 * @param {number} from
 * @param {string} delimiter
 * @param {boolean} last
 * @returns {Generator<Record>}
 */
function* records(block, from, delimiter, last) {
  const field = fieldPattern(delimiter);
  let at = from;
  /** @type {string[]} */
  let cells = [];
  while (at < block.length) {
    field.lastIndex = at;
    const found = field.exec(block);
    if (found === null) return;
    const written = found[0].slice(0, found[0].length - found[1].length);
    at = field.lastIndex;
    if (found[1] === delimiter) {
      cells.push(written);
      if (at === block.length && last) yield { end: at, cells: [...cells, ""] };
      continue;
    }
    if (at === block.length && !last && found[1] !== "\n") return;
    yield { end: at, cells: cells.length === 0 && written === "" ? [] : [...cells, written] };
    cells = [];
  }
}

/** @type {(written: string) => string} */
function unquoted(written) {
  const found = written[0] === '"' ? QUOTED.exec(written) : null;
  return found === null ? written : found[1].replaceAll('""', '"') + found[2];
}

/** @type {(block: string) => number} */
const linesIn = (block) => block.split("\n").length - 1 || block.split("\r").length - 1;

/** A file of CSV in UTF-8, or its text; read as often as asked for. */
export class CsvTable {
  /**
   * @param {Blob | string} source
   * @param {string} name
   * @param {import("./texts.js").Reading} reading
   */
  constructor(source, name, reading) {
    this.source = source;
    this.name = name;
    this.reading = reading;
    /** @type {string[]} */
    this.columns = [];
    this.delimiter = ",";
    this.at = 0;
    this.firstLine = 1;
    this.namesLine = 0;
    this.width = 0;
  }

  /**
   * Find the delimiter, the names of the columns, and where the data begins.
   * @param {Blob | string} source
   * @param {string} name
   * @param {import("./texts.js").Reading} reading
   */
  static async open(source, name, reading) {
    const table = new CsvTable(source, name, reading);
    if (typeof source !== "string") await table.#refuseWide(source);
    for await (const { text, last } of table.#texts()) {
      table.#look(text, last);
      break;
    }
    return table;
  }

  /** @param {Blob} source */
  async #refuseWide(source) {
    const head = new Uint8Array(await source.slice(0, LOOKED_AT).arrayBuffer());
    const zeros = head.filter((byte) => byte === 0).length;
    const marked = (head[0] === 0xff && head[1] === 0xfe) || (head[0] === 0xfe && head[1] === 0xff);
    if (zeros * 3 <= head.length && !marked) return;
    const width = zeros * 5 > 3 * head.length ? 32 : 16;
    const what = `it looks like UTF-${width}, as some spreadsheets write`;
    throw new InputError(`${this.name} is no utf-8 text: ${what}`, "save it as CSV in UTF-8");
  }

  /** @returns {AsyncGenerator<{text: string, last: boolean}>} */
  async *#texts() {
    if (typeof this.source === "string") {
      yield { text: this.source.replace(/^\ufeff/, ""), last: true };
      return;
    }
    const decoder = new TextDecoder("utf-8", { fatal: true });
    const stream = this.source.stream().getReader();
    try {
      let text = "";
      for (;;) {
        const { value, done } = await stream.read().catch(() => {
          throw new InputError(`${this.name} cannot be read: it may have changed since it was chosen`, "choose it again");
        });
        try {
          text += decoder.decode(value, { stream: !done });
        } catch {
          throw new InputError(`${this.name} holds bytes that are no utf-8 text`, "save it as CSV in UTF-8");
        }
        if (done || text.length >= BLOCK) yield { text, last: done };
        if (done) return;
        if (text.length >= BLOCK) text = "";
      }
    } finally {
      await stream.cancel();
    }
  }

  /** @type {(head: string, whole: boolean) => void} */
  #look(head, whole) {
    const { reading, name } = this;
    let at = 0;
    let line = 0;
    for (let skipped = 0; skipped < reading.skipRows; skipped += 1) {
      LINE.lastIndex = at;
      const found = LINE.exec(head)?.[0] ?? "";
      at += found.length;
      line += found === "" ? 0 : 1;
    }
    const told = SEP.exec(head.slice(at));
    let { delimiter } = reading;
    if (told !== null) {
      at += told[0].length;
      line += 1;
      delimiter = delimiter ?? told[1] ?? null;
    }
    const rest = head.slice(at);
    if (trim(rest.split(/\r\n|\n|\r/, 1)[0]) === "") {
      const which = line === 0 ? "first line" : `line ${line + 1}`;
      throw new InputError(`${name} is empty, or its ${which} is`, "the first line names the columns");
    }
    this.delimiter = delimiter ?? sniffed(rest, whole, reading);
    const first = records(rest, 0, this.delimiter, true).next().value;
    if (first === undefined) throw this.#unclosed(line + 1);
    const fields = first.cells.map(unquoted);
    [this.at, this.firstLine, this.width] = [at, line + 1, fields.length];
    const [columns, headed] = headerOf(fields, reading, `line ${line + 1} of ${name}`);
    this.columns = columns;
    if (headed) {
      this.at = at + first.end;
      this.namesLine = line + 1;
      this.firstLine = line + 1 + linesIn(rest.slice(0, first.end));
    }
    const twice = columns.filter((column, place) => columns.indexOf(column) !== place).sort()[0];
    if (twice !== undefined) throw new InputError(`${name} has more than one column '${twice}'`, "give each a name of its own");
  }

  /**
   * The table's own name of each column of a schema.
   * @param {string[]} names
   */
  headersOf(names) {
    return names.map((name) => {
      if (this.columns.includes(name)) return name;
      const like = this.columns.filter((header) => cleanName(header) === name);
      if (like.length === 1) return like[0];
      const have = this.columns.join(", ") || "none";
      if (like.length > 1) throw new InputError(`columns ${like.join(", ")} of ${this.name} could all be ${name}`, "rename one of them");
      throw new InputError(`${this.name} has no column '${name}'; it has ${have}`, "correct the header of the file");
    });
  }

  /**
   * The rows below the header, in pieces: of each column wanted its texts, null for empty fields.
   * @param {string[]} wanted
   * @returns {AsyncGenerator<(string | null)[][]>}
   */
  async *pieces(wanted) {
    const places = wanted.map((column) => this.columns.indexOf(column));
    let [rest, skip, line, rows] = ["", this.at, this.firstLine, 0];
    for await (const { text, last } of this.#texts()) {
      const block = rest + text.slice(skip);
      skip = 0;
      let end = 0;
      /** @type {(string | null)[][]} */
      const columns = wanted.map(() => []);
      for (const { end: behind, cells } of records(block, 0, this.delimiter, last)) {
        const fields = cells.length === 0 && this.width === 1 ? [""] : cells;
        if (fields.length > 0) {
          rows += 1;
          if (fields.length !== this.width) throw this.#ragged(line, rows, fields.length);
          places.forEach((place, at) => columns[at].push(unquoted(fields[place]) || null));
        }
        line += linesIn(block.slice(end, behind));
        end = behind;
      }
      rest = block.slice(end);
      if (rest.length > (last ? 0 : MOST)) throw this.#unclosed(line);
      if (rows > 0) yield columns;
    }
  }

  /** @type {(line: number, row: number, fields: number) => InputError} */
  #ragged(line, row, fields) {
    const header = this.namesLine > 0 ? `the header, line ${this.namesLine},` : "the first line";
    return new InputError(
      `line ${line} of ${this.name} (row ${row} of its data) has more or fewer fields than the header: ` +
        `${fields}, and ${header} ${this.width}`,
      "quote fields that hold what separates fields, or take it away at the end of the line",
    );
  }

  /** @type {(line: number) => InputError} */
  #unclosed(line) {
    const what = "begins a field with a quote that is not closed";
    return new InputError(`line ${line} of ${this.name} ${what}`, 'close it; a quote inside a quoted field is written twice: ""');
  }
}

/**
 * The delimiter that gives all first lines the same number of fields, more than one; else the most frequent.
 * @type {(head: string, whole: boolean, reading: import("./texts.js").Reading) => string}
 */
function sniffed(head, whole, reading) {
  const cut = whole ? head : head.slice(0, head.lastIndexOf("\n") + 1) || head;
  const line = cut.split(/\r\n|\n|\r/, 1)[0];
  const often = (/** @type {string} */ mark) => line.split(mark).length - 1;
  const candidates = DELIMITERS.filter((mark) => mark !== reading.point);
  if (reading.point === ",") candidates.push(",");
  const widths = new Map();
  for (const mark of candidates) {
    const found = /** @type {number[]} */ ([]);
    let seen = 0;
    for (const { cells } of records(cut, 0, mark, true)) {
      if (cells.length > 0) found.push(cells.length);
      seen += 1;
      if (seen === SNIFFED) break;
    }
    if (found.length > 0 && found[0] > 1 && found.every((width) => width === found[0])) widths.set(mark, found[0]);
  }
  // a decimal comma separates fields only if nothing else does
  if (widths.size > 1) widths.delete(reading.point);
  // 1,5;2,5 without a header: the comma is a decimal one, and the other character separates
  const start = trim(line.replaceAll(",", ".").split(";")[0]);
  if (widths.size > 1 && widths.has(",") && VALUE.test(start)) widths.delete(",");
  const order = (/** @type {string} */ mark) => DELIMITERS.indexOf(mark);
  if (widths.size > 0) return [...widths.keys()].sort((a, b) => often(b) - often(a) || order(a) - order(b))[0];
  const score = (/** @type {string} */ mark) => (mark === reading.point ? 0 : often(mark));
  return candidates.reduce((best, mark) => (score(mark) > score(best) ? mark : best));
}

/**
 * The names of columns, and whether the first line of a table, with these fields, holds them.
 * @type {(fields: string[], reading: import("./texts.js").Reading, where: string) => [string[], boolean]}
 */
function headerOf(fields, reading, where) {
  const headed = reading.header ?? reading.names === null;
  const filled = fields.map(trim).filter((field) => field !== "");
  if (headed && reading.header === null) {
    if (areValues(filled)) {
      throw new InputError(
        `${where} names no columns: it holds values, and names are public`,
        "put a line with the names of the columns before it",
      );
    }
    const begun = COMMENT.test(trim(fields[0]));
    if (begun || (fields.length > 1 && filled.length === 1 && filled[0] === trim(fields[0]))) {
      const title = `names one of ${fields.length} columns, as a title above the header does`;
      throw new InputError(`${where} ${begun ? "begins as a comment does" : title}`, "leave out the lines before the header");
    }
  }
  if (reading.names !== null && reading.names.length !== fields.length) {
    throw new InputError(`${reading.names.length} names are given, and ${where} has ${fields.length} fields`);
  }
  const names = fields.map((field, place) => (headed && trim(field)) || `column_${place + 1}`);
  return [reading.names ?? names, headed];
}

/** @type {(texts: string[]) => boolean} */
function areValues(texts) {
  const values = texts.filter((text) => VALUE.test(text) || ISO.test(text) || YEAR_LAST.test(text));
  const years = values.filter((text) => YEAR.test(text));
  return values.length > 0 && !(values.length === years.length && years.length < texts.length);
}

/**
 * A header as a name for a schema: letters without accents, digits, . _ -; other characters become underscores.
 * @type {(header: string) => string}
 */
export function cleanName(header) {
  const bare = trim(header).replaceAll("ß", "ss").normalize("NFKD").replace(/\p{Mn}/gu, "");
  const name = bare.replace(/[^A-Za-z0-9_.-]+/g, "_").replace(/^_+|_+$/g, "") || "column";
  return (/^[A-Za-z_]/.test(name) ? name : `_${name}`).slice(0, MAX_NAME - 1);
}
