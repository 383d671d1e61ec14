// How a browser or Node.js signs requests and orders, and seals and opens boxes, with WebCrypto alone.
// To be read beside README.md, copied and changed; `check.mjs` runs it against the vectors.

const { subtle } = globalThis.crypto;
const ECDSA = { name: "ECDSA", hash: "SHA-256" };
const P256 = { name: "ECDSA", namedCurve: "P-256" };

export const text = (value) => new TextEncoder().encode(value);
export const hex = (bytes) => Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
export const unhex = (value) => Uint8Array.from(value.match(/../g) ?? [], (pair) => parseInt(pair, 16));
export const unbase64 = (value) => Uint8Array.from(atob(value), (letter) => letter.charCodeAt(0));
export const base64url = (bytes) =>
  btoa(String.fromCharCode(...bytes)).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
export const unbase64url = (value) => unbase64(value.replaceAll("-", "+").replaceAll("_", "/"));

export function join(...parts) {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

export const sha256 = async (data) => new Uint8Array(await subtle.digest("SHA-256", data));

// What is signed, or the info of a box: a message under its purpose.
export const labelled = (purpose, message) => join(text(`tercet/1 ${purpose}\0`), message);

export const signingKey = (pkcs8) => subtle.importKey("pkcs8", pkcs8, P256, false, ["sign"]);
export const verifyKey = (spki) => subtle.importKey("spki", spki, P256, false, ["verify"]);

export const sign = async (key, purpose, message) =>
  new Uint8Array(await subtle.sign(ECDSA, key, labelled(purpose, message)));
export const verify = (key, purpose, message, signature) =>
  subtle.verify(ECDSA, key, signature, labelled(purpose, message));

export const signedRequest = (node, method, target, date, nonce, content) =>
  text([node, method, target, date, nonce, content].join("\n"));

// The headers of one request. `certificate` is DER in base64, `node` the fingerprint of the node meant.
export async function requestHeaders(key, certificate, node, method, target, body) {
  const date = (Date.now() / 1000).toFixed(3);
  const nonce = base64url(globalThis.crypto.getRandomValues(new Uint8Array(16)));
  const content = hex(await sha256(body));
  const signature = await sign(key, "request", signedRequest(node, method, target, date, nonce, content));
  return {
    "Tercet-Certificate": certificate,
    "Tercet-Node": node,
    "Tercet-Date": date,
    "Tercet-Nonce": nonce,
    "Tercet-Content-SHA256": content,
    "Tercet-Signature": base64url(signature),
  };
}

// JSON with sorted keys and no spaces; enough for orders, which hold texts, whole numbers, null and objects.
export function canonical(value) {
  if (value === null || typeof value !== "object") return JSON.stringify(value);
  const keys = Object.keys(value).sort();
  return `{${keys.map((key) => `${JSON.stringify(key)}:${canonical(value[key])}`).join(",")}}`;
}

export async function signOrder(key, certificate, order) {
  const written = canonical(order);
  return { order: written, certificate, signature: base64url(await sign(key, "order", text(written))) };
}

// Contexts of boxes: upload and chunk number; job, output and party number.
export function partContext(upload, chunk) {
  const number = new DataView(new ArrayBuffer(8));
  number.setBigUint64(0, BigInt(chunk), true);
  return join(unhex(upload), new Uint8Array(number.buffer));
}

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

async function hmac(key, data) {
  // WebCrypto takes no empty key; to HMAC it is the same as one of zeros
  const raw = key.length ? key : new Uint8Array(32);
  const imported = await subtle.importKey("raw", raw, { name: "HMAC", hash: "SHA-256" }, false, ["sign"]);
  return new Uint8Array(await subtle.sign("HMAC", imported, data));
}

const extract = (suite, salt, label, ikm) => hmac(salt, join(text("HPKE-v1"), suite, text(label), ikm));

// Of lengths up to 32: one block of HKDF-Expand.
async function expand(suite, prk, label, info, length) {
  const head = join(Uint8Array.of(0, length), text("HPKE-v1"), suite, text(label), info);
  return (await hmac(prk, join(head, Uint8Array.of(1)))).slice(0, length);
}

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

async function exchange(privateKey, publicBytes) {
  const publicKey = await subtle.importKey("raw", publicBytes, { name: "X25519" }, true, []);
  const secret = new Uint8Array(await subtle.deriveBits({ name: "X25519", public: publicKey }, privateKey, 256));
  // some versions give zeros for a point of small order instead of refusing it
  if (secret.every((byte) => byte === 0)) throw new Error("a key of small order");
  return secret;
}

export const sealKey = (privateBytes) =>
  subtle.importKey("pkcs8", join(PKCS8_X25519, privateBytes), { name: "X25519" }, false, ["deriveBits"]);

// `sender` is a fresh key pair { privateKey, publicBytes } for every box; given only where a vector is made again.
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

// Throws for anything that was not sealed for this key, purpose and context.
export async function open(privateKey, publicBytes, purpose, context, box) {
  if (box.length < OVERHEAD_BYTES) throw new Error(`a box of ${box.length} bytes is too short`);
  const sender = box.slice(0, SENDER_BYTES);
  const secret = await exchange(privateKey, sender);
  const { key, nonce } = await schedule(secret, sender, publicBytes, labelled(purpose, context));
  return new Uint8Array(await subtle.decrypt({ name: "AES-GCM", iv: nonce }, key, box.slice(SENDER_BYTES)));
}
