// Signatures, and the requests and orders that carry them: see "Signatures", "Requests" and "Orders" in vectors/README.md.

import { base64url, fresh, hex, join, sha256, text } from "./bytes.js";

const { subtle } = globalThis.crypto;
const ECDSA = { name: "ECDSA", hash: "SHA-256" };
const P256 = { name: "ECDSA", namedCurve: "P-256" };

/**
 * What is signed, or the info of a box: a message under its purpose.
 * @type {(purpose: string, message: Uint8Array<ArrayBuffer>) => Uint8Array<ArrayBuffer>}
 */
export const labelled = (purpose, message) => join(text(`tercet/1 ${purpose}\0`), message);

/** @type {(pkcs8: Uint8Array<ArrayBuffer>) => Promise<CryptoKey>} */
export const signingKey = (pkcs8) => subtle.importKey("pkcs8", pkcs8, P256, false, ["sign"]);
/** @type {(spki: Uint8Array<ArrayBuffer>) => Promise<CryptoKey>} */
export const verifyKey = (spki) => subtle.importKey("spki", spki, P256, false, ["verify"]);

/** @type {(key: CryptoKey, purpose: string, message: Uint8Array<ArrayBuffer>) => Promise<Uint8Array<ArrayBuffer>>} */
export const sign = async (key, purpose, message) =>
  new Uint8Array(await subtle.sign(ECDSA, key, labelled(purpose, message)));
/** @type {(key: CryptoKey, purpose: string, message: Uint8Array<ArrayBuffer>, signature: Uint8Array<ArrayBuffer>) => Promise<boolean>} */
export const verify = (key, purpose, message, signature) =>
  subtle.verify(ECDSA, key, signature, labelled(purpose, message));

/** @type {(node: string, method: string, target: string, date: string, nonce: string, content: string) => Uint8Array<ArrayBuffer>} */
export const signedRequest = (node, method, target, date, nonce, content) =>
  text([node, method, target, date, nonce, content].join("\n"));

/**
 * The headers of one request. `certificate` is DER in base64, `node` the fingerprint of the node meant.
 * @param {CryptoKey} key
 * @param {string} certificate
 * @param {string} node
 * @param {string} method
 * @param {string} target
 * @param {Uint8Array<ArrayBuffer>} body
 * @returns {Promise<Record<string, string>>}
 */
export async function requestHeaders(key, certificate, node, method, target, body) {
  const date = (Date.now() / 1000).toFixed(3);
  const nonce = base64url(fresh(16));
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

/**
 * JSON with sorted keys and no spaces; enough for orders and outcomes: texts, whole numbers, null and objects.
 * @type {(value: any) => string}
 */
export function canonical(value) {
  if (value === null || typeof value !== "object") return JSON.stringify(value);
  const keys = Object.keys(value).sort();
  return `{${keys.map((key) => `${JSON.stringify(key)}:${canonical(value[key])}`).join(",")}}`;
}

/**
 * @param {CryptoKey} key
 * @param {string} certificate
 * @param {object} order
 * @returns {Promise<{order: string, certificate: string, signature: string}>}
 */
export async function signOrder(key, certificate, order) {
  const written = canonical(order);
  return { order: written, certificate, signature: base64url(await sign(key, "order", text(written))) };
}
