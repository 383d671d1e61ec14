// Who sends: an identity from its file, or a new one. Its keys stay in the memory of the page.

import { base64, base64url, fresh, hex, join, sha256, text, unbase64 } from "./bytes.js";
import { InputError } from "./errors.js";
import { signingKey } from "./sign.js";

const { subtle } = globalThis.crypto;
const BLOCK = /-----BEGIN ([A-Z ]+)-----([A-Za-z0-9+/=\s]+)-----END \1-----/g;
const NAME = /^[A-Za-z0-9][A-Za-z0-9._@-]{0,62}$/;
const VALID_DAYS = 3 * 365;
const HOUR_MS = 3600000;

/**
 * @typedef {object} Member
 * @property {string} certificate DER in base64
 * @property {string} fingerprint the SHA-256 of the certificate in hexadecimal
 * @property {CryptoKey} key signs
 */

/**
 * Read the PEM file of an identity, as `tercet identity new` or `createMember` made it.
 * @type {(pem: string) => Promise<Member>}
 */
export async function readMember(pem) {
  const blocks = [...pem.matchAll(BLOCK)].map(([, kind, body]) => ({ kind, der: unbase64(body.replace(/\s+/g, "")) }));
  const certificate = blocks.find(({ kind }) => kind === "CERTIFICATE")?.der;
  const keys = blocks.filter(({ kind }) => kind === "PRIVATE KEY");
  const hint = "choose the file with the private keys that tercet identity new made, or that this page did";
  if (certificate === undefined || keys.length === 0) {
    throw new InputError("this file is no identity: it holds no certificate, or no private key", hint);
  }
  for (const { der } of keys) {
    // one of the keys is for signing; the other, which opens boxes, is of another kind and not needed here
    const key = await signingKey(der).catch(() => null);
    if (key !== null) return { certificate: base64(certificate), fingerprint: hex(await sha256(certificate)), key };
  }
  throw new InputError("this file is no identity: none of its keys signs", hint);
}

/**
 * Make an identity: the text of its file, which is secret, and its card, which is to be handed to the operators.
 * @type {(name: string, now?: Date) => Promise<{pem: string, card: string, fingerprint: string}>}
 */
export async function createMember(name, now = new Date()) {
  if (!NAME.test(name)) throw new InputError("this cannot be a member's name", "use up to 63 letters, digits and . _ @ -");
  const signer = await subtle.generateKey({ name: "ECDSA", namedCurve: "P-256" }, true, ["sign", "verify"]);
  const opener = /** @type {CryptoKeyPair} */ (await subtle.generateKey({ name: "X25519" }, true, ["deriveBits"]));
  const seal = new Uint8Array(await subtle.exportKey("raw", opener.publicKey));
  const body = await unsigned(name, signer.publicKey, `tercet:seal:${base64url(seal)}`, now);
  const raw = new Uint8Array(await subtle.sign({ name: "ECDSA", hash: "SHA-256" }, signer.privateKey, body));
  const signature = sequence(integer(raw.slice(0, 32)), integer(raw.slice(32)));
  const certificate = sequence(body, ALGORITHM, tagged(0x03, Uint8Array.of(0), signature));
  const card = block("CERTIFICATE", certificate);
  const keys = [];
  for (const key of [signer.privateKey, opener.privateKey]) {
    keys.push(block("PRIVATE KEY", new Uint8Array(await subtle.exportKey("pkcs8", key))));
  }
  return { pem: [card, ...keys].join(""), card, fingerprint: hex(await sha256(certificate)) };
}

/** @type {(kind: string, der: Uint8Array<ArrayBuffer>) => string} */
const block = (kind, der) =>
  `-----BEGIN ${kind}-----\n${(base64(der).match(/.{1,64}/g) ?? []).join("\n")}\n-----END ${kind}-----\n`;

// ---- the certificate, in DER (RFC 5280)

/** @type {(tag: number, ...parts: Uint8Array<ArrayBuffer>[]) => Uint8Array<ArrayBuffer>} */
function tagged(tag, ...parts) {
  const body = join(...parts);
  const { length } = body;
  const size = length < 128 ? [length] : length < 256 ? [0x81, length] : [0x82, length >> 8, length & 255];
  return join(Uint8Array.of(tag, ...size), body);
}

/** @type {(...parts: Uint8Array<ArrayBuffer>[]) => Uint8Array<ArrayBuffer>} */
const sequence = (...parts) => tagged(0x30, ...parts);

/**
 * An unsigned number, big-endian, in the fewest bytes.
 * @type {(bytes: Uint8Array<ArrayBuffer>) => Uint8Array<ArrayBuffer>}
 */
function integer(bytes) {
  const first = Math.max(0, bytes.findIndex((byte) => byte !== 0));
  const shown = bytes.slice(first);
  return tagged(0x02, shown[0] > 127 ? join(Uint8Array.of(0), shown) : shown);
}

const ALGORITHM = sequence(Uint8Array.of(0x06, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02));
const COMMON_NAME = Uint8Array.of(0x06, 3, 0x55, 0x04, 0x03);
const ALTERNATIVE_NAMES = Uint8Array.of(0x06, 3, 0x55, 0x1d, 0x11);
const BASIC_CONSTRAINTS = Uint8Array.of(0x06, 3, 0x55, 0x1d, 0x13);
const CRITICAL = Uint8Array.of(0x01, 1, 0xff);
const URI = 0x86;

/** @type {(name: string, key: CryptoKey, uri: string, now: Date) => Promise<Uint8Array<ArrayBuffer>>} */
async function unsigned(name, key, uri, now) {
  const subject = sequence(tagged(0x31, sequence(COMMON_NAME, tagged(0x0c, text(name)))));
  const start = new Date(now.getTime() - HOUR_MS);
  const end = new Date(now.getTime() + VALID_DAYS * 24 * HOUR_MS);
  const names = sequence(ALTERNATIVE_NAMES, tagged(0x04, sequence(tagged(URI, text(uri)))));
  const constraints = sequence(BASIC_CONSTRAINTS, CRITICAL, tagged(0x04, sequence()));
  return sequence(
    tagged(0xa0, integer(Uint8Array.of(2))),
    integer(join(Uint8Array.of(1), fresh(15))),
    ALGORITHM,
    subject,
    sequence(time(start), time(end)),
    subject,
    new Uint8Array(await subtle.exportKey("spki", key)),
    tagged(0xa3, sequence(constraints, names)),
  );
}

/**
 * Two digits of the year until 2049, as the standard wants it, four from then on.
 * @type {(date: Date) => Uint8Array<ArrayBuffer>}
 */
function time(date) {
  const digits = date.toISOString().replace(/[-T:]|\.[0-9]+/g, "");
  return date.getUTCFullYear() < 2050 ? tagged(0x17, text(digits.slice(2))) : tagged(0x18, text(digits));
}
