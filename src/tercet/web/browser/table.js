// What is uploaded, as chunks of contents: rows of a CSV file, or one record that was typed.

import { CsvTable } from "./csv.js";
import { InputError } from "./errors.js";
import { Reading } from "./texts.js";
import { stored } from "./values.js";

/** @typedef {{number: number, rows: number, contents: Map<string, Uint8Array<ArrayBuffer>>}} Chunk */

/** Rows that can be read as often as asked for, and a schema that they are to fit. */
export class Table {
  /** @type {number | null} how many rows there are, once all were checked */
  #checked = null;

  /**
   * @param {import("./schema.js").Schema} schema
   * @param {CsvTable | Map<string, string>} rows
   */
  constructor(schema, rows) {
    this.schema = schema;
    this.rows = rows;
    this.reading = new Reading(schema.reading);
  }

  /**
   * A file of CSV, or its text.
   * @param {import("./schema.js").Schema} schema
   * @param {Blob | string} source
   * @param {string} name what messages call it
   */
  static async csv(schema, source, name) {
    return new Table(schema, await CsvTable.open(source, name, new Reading(schema.reading)));
  }

  /**
   * One record: texts by the names of columns; an empty one is a missing value.
   * @param {import("./schema.js").Schema} schema
   * @param {Record<string, string>} values
   */
  static record(schema, values) {
    return new Table(schema, new Map(Object.entries(values)));
  }

  /** @returns {AsyncGenerator<(string | null)[][]>} */
  async *#pieces() {
    const { rows, schema } = this;
    if (rows instanceof Map) yield schema.names.map((name) => [rows.get(name) || null]);
    else yield* rows.pieces(rows.headersOf(schema.names));
  }

  /**
   * Chunks of so many rows, the last one perhaps of fewer, checked and encoded.
   * @param {number} size
   * @returns {AsyncGenerator<Chunk>}
   */
  async *chunks(size) {
    /** @type {(string | null)[][]} */
    let held = this.schema.columns.map(() => []);
    let [number, done] = [0, 0];
    for await (const piece of this.#pieces()) {
      held = held.map((cells, at) => (cells.length ? cells.concat(piece[at]) : piece[at]));
      while (held[0].length >= size) {
        yield this.#chunk(held.map((cells) => cells.slice(0, size)), number, done);
        held = held.map((cells) => cells.slice(size));
        [number, done] = [number + 1, done + size];
      }
    }
    if (held[0].length > 0) yield this.#chunk(held, number, done);
  }

  /** @type {(columns: (string | null)[][], number: number, done: number) => Chunk} */
  #chunk(columns, number, done) {
    const contents = new Map();
    this.schema.columns.forEach((column, at) => {
      for (const [name, data] of stored(column, this.reading, columns[at], done + 1)) contents.set(name, data);
    });
    return { number, rows: columns[0].length, contents };
  }

  /**
   * Read and check all rows, unless that is done; nothing is sent. Gives how many there are.
   * @param {(rows: number) => void} [progress]
   * @param {AbortSignal} [signal]
   */
  async check(progress = () => {}, signal = undefined) {
    if (this.#checked !== null) return this.#checked;
    let rows = 0;
    for await (const chunk of this.chunks(this.schema.chunkRows())) {
      rows += chunk.rows;
      progress(rows);
      // the page stays alive, and what was clicked meanwhile is heard
      await new Promise((resolve) => setTimeout(resolve));
      signal?.throwIfAborted();
    }
    if (rows === 0) throw new InputError("there are no rows to upload", "put rows below the header");
    this.#checked = rows;
    return rows;
  }
}
