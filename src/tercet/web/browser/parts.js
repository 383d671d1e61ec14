// Parts: what each node gets of a chunk of rows. See "Parts" in vectors/README.md.

import { fresh, hex, join, sha256, text, unhex } from "./bytes.js";
import { InputError } from "./errors.js";
import { FORM } from "./schema.js";

const { subtle } = globalThis.crypto;
const HEADER = 112;
const RECORD = 128;
const SEED = 24;
const SALT = 16;
const ID = 16;
const ALIGN = 16;
const VERSION = 2;

if (new Uint8Array(Uint16Array.of(1).buffer)[0] !== 1) throw new Error("this machine has its bytes the other way round");

/**
 * All that is drawn for a chunk: the name of this splitting, a salt for each component, and for each secret column two
 * seeds, null where the component is words.
 * @typedef {{part: string, salts: Uint8Array<ArrayBuffer>[], seeds: Map<string, (Uint8Array<ArrayBuffer> | null)[]>}} Draws
 */

/**
 * The stream that a seed stands for.
 * @type {(seed: Uint8Array<ArrayBuffer>, length: number) => Promise<Uint8Array<ArrayBuffer>>}
 */
async function expanded(seed, length) {
  const key = await subtle.importKey("raw", seed.slice(0, 16), "AES-CTR", false, ["encrypt"]);
  const counter = join(seed.slice(16), new Uint8Array(8));
  return new Uint8Array(await subtle.encrypt({ name: "AES-CTR", counter, length: 64 }, key, new Uint8Array(length)));
}

/**
 * `rest` minus a stream, in place: bits by exclusive or, words of 64 or 128 bits modulo 2^64 or 2^128.
 * @type {(rest: Uint8Array<ArrayBuffer>, stream: Uint8Array<ArrayBuffer>, form: number) => void}
 */
function subtract(rest, stream, form) {
  const mine = new BigUint64Array(rest.buffer, rest.byteOffset, rest.length / 8);
  const theirs = new BigUint64Array(stream.buffer);
  if (form === FORM.BITS) {
    for (let at = 0; at < mine.length; at += 1) mine[at] ^= theirs[at];
  } else if (form === FORM.WORDS64) {
    for (let at = 0; at < mine.length; at += 1) mine[at] -= theirs[at];
  } else {
    for (let at = 0; at < mine.length; at += 2) {
      const borrow = mine[at] < theirs[at] ? 1n : 0n;
      mine[at] -= theirs[at];
      mine[at + 1] -= theirs[at + 1] + borrow;
    }
  }
}

/** @type {(number: number) => number} */
const padded = (number) => Math.ceil(number / ALIGN) * ALIGN;
/** @type {(data: Uint8Array<ArrayBuffer>) => Uint8Array<ArrayBuffer>} */
const filled = (data) => join(data, new Uint8Array(padded(data.length) - data.length));

/**
 * Which component of a chunk is words, 0, 1 or 2: it rotates, so that all nodes store about as much.
 * @type {(chunk: number) => number}
 */
const turn = (chunk) => chunk % 3;

/**
 * Draw all that a chunk needs.
 * @type {(schema: import("./schema.js").Schema, chunk: number) => Draws}
 */
function drawn(schema, chunk) {
  const secret = schema.stored.filter(({ form }) => form <= FORM.WORDS128);
  const seeds = new Map(
    secret.map(({ name }) => [name, [0, 1, 2].map((component) => (component === turn(chunk) ? null : fresh(SEED)))]),
  );
  return { part: hex(fresh(ID)), salts: [fresh(SALT), fresh(SALT), fresh(SALT)], seeds };
}

/**
 * The parts of one chunk for nodes 1, 2 and 3. `contents` has what `values.stored` gives, for every stored column.
 * @param {import("./schema.js").Schema} schema
 * @param {Map<string, Uint8Array<ArrayBuffer>>} contents
 * @param {number} rows
 * @param {string} upload
 * @param {number} chunk
 */
export const splitChunk = (schema, contents, rows, upload, chunk) =>
  assemble(schema, contents, rows, upload, chunk, drawn(schema, chunk));

/**
 * As `splitChunk`, of what was drawn; vectors are made again with it. Seeds that are used twice give the rows away.
 * @param {import("./schema.js").Schema} schema
 * @param {Map<string, Uint8Array<ArrayBuffer>>} contents
 * @param {number} rows
 * @param {string} upload
 * @param {number} chunk
 * @param {Draws} draws
 * @returns {Promise<{part: string, parts: Uint8Array<ArrayBuffer>[], digests: () => Promise<Uint8Array<ArrayBuffer>[]>}>} digests: only checks ask
 */
export async function assemble(schema, contents, rows, upload, chunk, draws) {
  const explicit = turn(chunk);
  /** @type {Parameters<typeof digest>[0]} */
  const columns = [];
  for (const { name, form } of schema.stored) {
    const plain = contents.get(name);
    if (plain === undefined) throw new InputError(`the chunk has no column ${name}`);
    const seeds = draws.seeds.get(name) ?? [];
    const words = plain.slice();
    for (const seed of seeds) if (seed !== null) subtract(words, await expanded(seed, words.length), form);
    columns.push({ name, form, seeds, words, secret: form <= FORM.WORDS128 });
  }
  const parts = [0, 1, 2].map((party) => {
    const [own, next] = [party, (party + 1) % 3];
    const holds = own === explicit || next === explicit;
    const records = columns.map(({ name, form, seeds, words }) =>
      record(name, form, words.length, seeds[own] ?? null, seeds[next] ?? null),
    );
    const body = columns.filter(({ secret }) => !secret || holds).map(({ words }) => filled(words));
    const flags = (own === explicit ? 1 : 0) | (next === explicit ? 2 : 0);
    const total = HEADER + RECORD * columns.length + body.reduce((sum, one) => sum + one.length, 0);
    const head = header(party + 1, flags, columns.length, upload, draws.part, chunk, rows, total);
    return join(head, draws.salts[own], draws.salts[next], ...records, ...body);
  });
  const digests = () =>
    Promise.all([0, 1, 2].map((one) => digest(columns, one, explicit, draws, upload, chunk, rows)));
  return { part: draws.part, parts, digests };
}

/** @type {(party: number, flags: number, columns: number, upload: string, part: string, chunk: number, rows: number, total: number) => Uint8Array<ArrayBuffer>} */
function header(party, flags, columns, upload, part, chunk, rows, total) {
  const head = new Uint8Array(HEADER - 2 * SALT);
  const view = new DataView(head.buffer);
  head.set(text("tercpart"));
  view.setUint16(8, VERSION, true);
  view.setUint8(10, party);
  view.setUint8(11, flags);
  view.setUint32(12, columns, true);
  head.set(unhex(upload), 16);
  head.set(unhex(part), 32);
  [chunk, rows, HEADER + RECORD * columns, total].forEach((number, at) => {
    view.setBigUint64(48 + 8 * at, BigInt(number), true);
  });
  return head;
}

/** @type {(name: string, form: number, size: number, own: Uint8Array<ArrayBuffer> | null, next: Uint8Array<ArrayBuffer> | null) => Uint8Array<ArrayBuffer>} */
function record(name, form, size, own, next) {
  const found = new Uint8Array(RECORD);
  const view = new DataView(found.buffer);
  found.set(text(name));
  view.setBigUint64(64, BigInt(form), true);
  view.setBigUint64(72, BigInt(size), true);
  if (own !== null) found.set(own, 80);
  if (next !== null) found.set(next, 80 + SEED);
  return found;
}

/**
 * What both holders of a component compute of it before a commit.
 * @param {{name: string, form: number, seeds: (Uint8Array<ArrayBuffer> | null)[], words: Uint8Array<ArrayBuffer>, secret: boolean}[]} columns
 * @param {number} component
 * @param {number} explicit
 * @param {Draws} draws
 * @param {string} upload
 * @param {number} chunk
 * @param {number} rows
 */
async function digest(columns, component, explicit, draws, upload, chunk, rows) {
  const about = new DataView(new ArrayBuffer(21));
  about.setBigUint64(0, BigInt(chunk), true);
  about.setBigUint64(8, BigInt(rows), true);
  about.setUint8(16, component + 1);
  about.setUint32(17, columns.length, true);
  const told = [text("tercet/1 component\0"), draws.salts[component], unhex(upload), unhex(draws.part)];
  told.push(new Uint8Array(about.buffer));
  for (const { name, form, seeds, words, secret } of columns) {
    const facts = new Uint8Array(73);
    facts.set(text(name));
    facts[64] = form;
    new DataView(facts.buffer).setBigUint64(65, BigInt(words.length), true);
    const seed = seeds[component] ?? null;
    told.push(facts);
    if (!secret) told.push(text("K"), await sha256(words));
    else if (component === explicit || seed === null) told.push(text("W"), await sha256(words));
    else told.push(text("S"), seed);
  }
  return sha256(join(...told));
}
