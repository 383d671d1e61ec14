// Boxes: what is sealed for one member alone. See "Boxes" in vectors/README.md.

import { join, text, unhex } from "./bytes.js";
import { labelled } from "./sign.js";

const { subtle } = globalThis.crypto;

/**
 * The context of a box with a part.
 * @type {(upload: string, chunk: number) => Uint8Array<ArrayBuffer>}
 */
export function partContext(upload, chunk) {
  const number = new DataView(new ArrayBuffer(8));
  number.setBigUint64(0, BigInt(chunk), true);
  return join(unhex(upload), new Uint8Array(number.buffer));
}

/**
 * The context of a box with a result.
 * @type {(job: string, output: number, party: number) => Uint8Array<ArrayBuffer>}
 */
export function resultContext(job, output, party) {
  const numbers = new DataView(new ArrayBuffer(5));
  numbers.setUint32(0, output, true);
  numbers.setUint8(4, party);
  return join(unhex(job), new Uint8Array(numbers.buffer));
}

// HPKE (RFC 9180), base mode: DHKEM(X25519, HKDF-SHA256), HKDF-SHA256, AES-128-GCM, no associated data.

const KEM_SUITE = Uint8Array.of(0x4b, 0x45, 0x4d, 0x00, 0x20);
const SUITE = Uint8Array.of(0x48, 0x50, 0x4b, 0x45, 0x00, 0x20, 0x00, 0x01, 0x00, 0x01);
const NOTHING = new Uint8Array(0);
const PKCS8_X25519 = unhex("302e020100300506032b656e04220420");
const SENDER_BYTES = 32;
export const OVERHEAD_BYTES = 48;

/** @type {(key: Uint8Array<ArrayBuffer>, data: Uint8Array<ArrayBuffer>) => Promise<Uint8Array<ArrayBuffer>>} */
async function hmac(key, data) {
  // WebCrypto takes no empty key; to HMAC it is the same as one of zeros
  const raw = key.length ? key : new Uint8Array(32);
  const imported = await subtle.importKey("raw", raw, { name: "HMAC", hash: "SHA-256" }, false, ["sign"]);
  return new Uint8Array(await subtle.sign("HMAC", imported, data));
}

/** @type {(suite: Uint8Array<ArrayBuffer>, salt: Uint8Array<ArrayBuffer>, label: string, ikm: Uint8Array<ArrayBuffer>) => Promise<Uint8Array<ArrayBuffer>>} */
const extract = (suite, salt, label, ikm) => hmac(salt, join(text("HPKE-v1"), suite, text(label), ikm));

/**
 * Of lengths up to 32: one block of HKDF-Expand.
 * @type {(suite: Uint8Array<ArrayBuffer>, prk: Uint8Array<ArrayBuffer>, label: string, info: Uint8Array<ArrayBuffer>, length: number) => Promise<Uint8Array<ArrayBuffer>>}
 */
async function expand(suite, prk, label, info, length) {
  const head = join(Uint8Array.of(0, length), text("HPKE-v1"), suite, text(label), info);
  return (await hmac(prk, join(head, Uint8Array.of(1)))).slice(0, length);
}

/** @type {(secret: Uint8Array<ArrayBuffer>, sender: Uint8Array<ArrayBuffer>, recipient: Uint8Array<ArrayBuffer>, info: Uint8Array<ArrayBuffer>) => Promise<{key: CryptoKey, nonce: Uint8Array<ArrayBuffer>}>} */
async function schedule(secret, sender, recipient, info) {
  const agreed = await extract(KEM_SUITE, NOTHING, "eae_prk", secret);
  const shared = await expand(KEM_SUITE, agreed, "shared_secret", join(sender, recipient), 32);
  const pskHash = await extract(SUITE, NOTHING, "psk_id_hash", NOTHING);
  const infoHash = await extract(SUITE, NOTHING, "info_hash", info);
  const context = join(Uint8Array.of(0), pskHash, infoHash);
  const prk = await extract(SUITE, shared, "secret", NOTHING);
  const key = await subtle.importKey("raw", await expand(SUITE, prk, "key", context, 16), "AES-GCM", false, [
    "encrypt",
    "decrypt",
  ]);
  return { key, nonce: await expand(SUITE, prk, "base_nonce", context, 12) };
}

/** @type {(privateKey: CryptoKey, publicBytes: Uint8Array<ArrayBuffer>) => Promise<Uint8Array<ArrayBuffer>>} */
async function exchange(privateKey, publicBytes) {
  const publicKey = await subtle.importKey("raw", publicBytes, { name: "X25519" }, true, []);
  const secret = new Uint8Array(await subtle.deriveBits({ name: "X25519", public: publicKey }, privateKey, 256));
  // some versions give zeros for a point of small order instead of refusing it
  if (secret.every((byte) => byte === 0)) throw new Error("a key of small order");
  return secret;
}

/** @type {(privateBytes: Uint8Array<ArrayBuffer>) => Promise<CryptoKey>} */
export const sealKey = (privateBytes) =>
  subtle.importKey("pkcs8", join(PKCS8_X25519, privateBytes), { name: "X25519" }, false, ["deriveBits"]);

/**
 * A box. `sender` is a fresh key pair for every box; given only where a vector is made again.
 * @param {Uint8Array<ArrayBuffer>} recipient
 * @param {string} purpose
 * @param {Uint8Array<ArrayBuffer>} context
 * @param {Uint8Array<ArrayBuffer>} data
 * @param {{privateKey: CryptoKey, publicBytes: Uint8Array<ArrayBuffer>}} [sender]
 * @returns {Promise<Uint8Array<ArrayBuffer>>}
 */
export async function seal(recipient, purpose, context, data, sender = undefined) {
  const { privateKey, publicBytes } = sender ?? (await freshSender());
  const secret = await exchange(privateKey, recipient);
  const { key, nonce } = await schedule(secret, publicBytes, recipient, labelled(purpose, context));
  return join(publicBytes, new Uint8Array(await subtle.encrypt({ name: "AES-GCM", iv: nonce }, key, data)));
}

async function freshSender() {
  const { privateKey, publicKey } = await subtle.generateKey({ name: "X25519" }, false, ["deriveBits"]);
  return { privateKey, publicBytes: new Uint8Array(await subtle.exportKey("raw", publicKey)) };
}

/**
 * What is in a box. Throws for anything that was not sealed for this key, purpose and context.
 * @type {(privateKey: CryptoKey, publicBytes: Uint8Array<ArrayBuffer>, purpose: string, context: Uint8Array<ArrayBuffer>, box: Uint8Array<ArrayBuffer>) => Promise<Uint8Array<ArrayBuffer>>}
 */
export async function open(privateKey, publicBytes, purpose, context, box) {
  if (box.length < OVERHEAD_BYTES) throw new Error(`a box of ${box.length} bytes is too short`);
  const sender = box.slice(0, SENDER_BYTES);
  const secret = await exchange(privateKey, sender);
  const { key, nonce } = await schedule(secret, sender, publicBytes, labelled(purpose, context));
  return new Uint8Array(await subtle.decrypt({ name: "AES-GCM", iv: nonce }, key, box.slice(SENDER_BYTES)));
}
