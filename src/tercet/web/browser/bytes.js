// Bytes: texts, hexadecimal, base64, hashes, fresh ones; and JSON whose numbers stay as they are written.

const { subtle } = globalThis.crypto;

/** @type {(value: string) => Uint8Array<ArrayBuffer>} */
export const text = (value) => new TextEncoder().encode(value);
/** @type {(bytes: Uint8Array<ArrayBuffer>) => string} */
export const hex = (bytes) => Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
/** @type {(value: string) => Uint8Array<ArrayBuffer>} */
export const unhex = (value) => Uint8Array.from(value.match(/../g) ?? [], (pair) => parseInt(pair, 16));
/** @type {(bytes: Uint8Array<ArrayBuffer>) => string} */
export const base64 = (bytes) => btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(""));
/** @type {(value: string) => Uint8Array<ArrayBuffer>} */
export const unbase64 = (value) => Uint8Array.from(atob(value), (letter) => letter.charCodeAt(0));
/** @type {(bytes: Uint8Array<ArrayBuffer>) => string} */
export const base64url = (bytes) => base64(bytes).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
/** @type {(value: string) => Uint8Array<ArrayBuffer>} */
export const unbase64url = (value) => unbase64(value.replaceAll("-", "+").replaceAll("_", "/"));

/** @type {(...parts: Uint8Array<ArrayBuffer>[]) => Uint8Array<ArrayBuffer>} */
export function join(...parts) {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

/** @type {(data: Uint8Array<ArrayBuffer>) => Promise<Uint8Array<ArrayBuffer>>} */
export const sha256 = async (data) => new Uint8Array(await subtle.digest("SHA-256", data));

/**
 * From the browser's own generator, the only one that this package draws from.
 * @type {(length: number) => Uint8Array<ArrayBuffer>}
 */
export const fresh = (length) => globalThis.crypto.getRandomValues(new Uint8Array(length));

/** A number of JSON as it is written: no double holds all integers of 128 bits. */
export class Exact {
  /** @param {string} written */
  constructor(written) {
    this.written = written;
  }
}

const TOKEN = /"(?:[^"\\]|\\.)*"|-?[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?/g;
const MARK = "\u0000";

/**
 * JSON whose numbers come as `Exact`.
 * @type {(json: string) => any}
 */
export function parseExact(json) {
  const marked = json.replace(TOKEN, (token) => (token[0] === '"' ? token : JSON.stringify(MARK + token)));
  return JSON.parse(marked, (_, value) =>
    typeof value === "string" && value[0] === MARK ? new Exact(value.slice(1)) : value,
  );
}

/**
 * The JSON of what `parseExact` gives.
 * @type {(value: any) => string}
 */
export function printExact(value) {
  if (value instanceof Exact) return value.written;
  if (Array.isArray(value)) return `[${value.map(printExact).join(",")}]`;
  if (value === null || typeof value !== "object") return JSON.stringify(value);
  const entries = Object.entries(value).map(([key, one]) => `${JSON.stringify(key)}:${printExact(one)}`);
  return `{${entries.join(",")}}`;
}
