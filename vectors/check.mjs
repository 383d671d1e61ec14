// Checks src/tercet/web/browser/tercet.js against the vectors in this folder, or shows what it makes:
//
//     node vectors/check.mjs           requests, orders, boxes, parts; the exit status is 1 if any is wrong
//     node vectors/check.mjs --make    a request, an order and a box as JSON, for another implementation to check

import { readdirSync, readFileSync } from "node:fs";
import * as tercet from "../src/tercet/web/browser/tercet.js";

const folder = new URL(".", import.meta.url);
const read = (name) => JSON.parse(readFileSync(new URL(name, folder), "utf8"));
const members = Object.fromEntries(read("members.json").members.map((member) => [member.name, member]));

const equal = (a, b) => tercet.hex(a) === tercet.hex(b);
const keyOf = (name) => tercet.verifyKey(tercet.unbase64(members[name].signing_key_spki_base64));
const signerOf = (name) => tercet.signingKey(tercet.unbase64(members[name].signing_key_pkcs8_base64));

async function checkRequest(vector) {
  if (vector.signature_valid === null) return null;
  const sent = vector.headers;
  const message = tercet.signedRequest(
    sent["Tercet-Node"],
    vector.method,
    vector.target,
    sent["Tercet-Date"],
    sent["Tercet-Nonce"],
    sent["Tercet-Content-SHA256"],
  );
  if (!equal(tercet.labelled("request", message), tercet.unhex(vector.signed_hex))) return "other bytes are signed";
  const body = tercet.hex(await tercet.sha256(tercet.unhex(vector.body_hex)));
  if ((body === sent["Tercet-Content-SHA256"]) !== (vector.expect !== "wrong_content")) return "the hash of the body";
  const signature = tercet.unbase64url(sent["Tercet-Signature"]);
  const valid = await tercet.verify(await keyOf(vector.signer), "request", message, signature);
  return valid === vector.signature_valid ? "" : `the signature is ${valid ? "" : "not "}valid`;
}

async function checkOrder(vector) {
  const signed = vector.signed_order;
  const message = tercet.text(signed.order);
  if (!equal(tercet.labelled("order", message), tercet.unhex(vector.signed_hex))) return "other bytes are signed";
  const again = tercet.canonical(JSON.parse(signed.order));
  if (vector.expect === "ok" && again !== signed.order) return "the canonical text is another one";
  const valid = await tercet.verify(await keyOf(vector.signer), "order", message, tercet.unbase64url(signed.signature));
  return valid === vector.signature_valid ? "" : `the signature is ${valid ? "" : "not "}valid`;
}

function contextOf(about) {
  if (about.upload !== undefined) return tercet.partContext(about.upload, about.chunk);
  return tercet.resultContext(about.job, about.output, about.party);
}

async function checkBox(vector) {
  const recipient = members[vector.recipient];
  const privateKey = await tercet.sealKey(tercet.unhex(recipient.seal_key_private_hex));
  const publicBytes = tercet.unhex(recipient.seal_key_public_hex);
  const [context, box] = [tercet.unhex(vector.context_hex), tercet.unhex(vector.box_hex)];
  if (!equal(tercet.labelled(vector.purpose, context), tercet.unhex(vector.info_hex))) return "the info is another one";
  let data;
  try {
    data = await tercet.open(privateKey, publicBytes, vector.purpose, context, box);
  } catch {
    return vector.expect === "ok" ? "it does not open" : "";
  }
  if (vector.expect !== "ok") return "it opens";
  if (!equal(data, tercet.unhex(vector.plaintext_hex))) return "something else is in it";
  if (!equal(contextOf(vector.about), context)) return "the context is another one";
  const sender = {
    privateKey: await tercet.sealKey(tercet.unhex(vector.sender_key_private_hex)),
    publicBytes: box.slice(0, 32),
  };
  return equal(await tercet.seal(publicBytes, vector.purpose, context, data, sender), box) ? "" : "it seals otherwise";
}

async function checkPart({ expect }, name) {
  if (expect !== "ok") return null;
  // bounds of 128 bits are there, which no double holds
  const vector = tercet.parseExact(readFileSync(new URL(name, folder), "utf8"));
  const [rows, chunk] = [vector.rows, vector.chunk].map(({ written }) => Number(written));
  const schema = new tercet.Schema(vector.schema);
  const laidOut = schema.stored.map((column) => [column.name, tercet.layOut(column.form, stored(vector.values[column.name], column.form))]);
  const seeds = Object.entries(vector.seeds_hex).map(([column, three]) => [column, three.map((seed) => seed && tercet.unhex(seed))]);
  const draws = { part: vector.part, salts: vector.salts_hex.map(tercet.unhex), seeds: new Map(seeds) };
  const made = await tercet.assemble(schema, new Map(laidOut), rows, vector.upload, chunk, draws);
  const other = made.parts.findIndex((part, at) => !equal(part, tercet.unbase64(vector.parts_base64[at])));
  if (other >= 0) return `part ${other + 1} is another one`;
  const digests = await made.digests();
  return digests.every((digest, at) => tercet.hex(digest) === vector.digests_hex[at]) ? "" : "a digest is another one";
}

function stored(values, form) {
  if (form === tercet.FORM.BITS) return values;
  return form === tercet.FORM.KEY_TEXT ? values.map(tercet.text) : values.map(BigInt);
}

async function check() {
  const checks = { request: checkRequest, order: checkOrder, box: checkBox, part: checkPart };
  const counts = {};
  let wrong = 0;
  for (const name of readdirSync(folder).filter((file) => file.endsWith(".json")).sort()) {
    const vector = read(name);
    if (checks[vector.kind] === undefined) continue;
    const problem = await checks[vector.kind](vector, name);
    if (problem === null) continue;
    counts[vector.kind] = (counts[vector.kind] ?? 0) + 1;
    if (problem !== "") {
      wrong += 1;
      console.error(`${name}: expected ${vector.expect}: ${problem}`);
    }
  }
  console.log(JSON.stringify(counts));
  const complete = Object.keys(checks).every((kind) => counts[kind] > 0);
  if (!complete) console.error("there are no vectors of some kind");
  process.exitCode = wrong > 0 || !complete ? 1 : 0;
}

async function make() {
  const [key, certificate] = [await signerOf("anna"), members.anna.certificate_base64];
  const body = tercet.text('{"made":"here"}');
  const target = "/v1/uploads?x=%C3%BC";
  const order = {
    version: 1,
    federation: "00112233445566778899aabbccddeeff",
    transaction: tercet.hex(globalThis.crypto.getRandomValues(new Uint8Array(16))),
    created: Math.floor(Date.now() / 1000),
    action: { action: "withdraw", dataset: "patients", upload: null, owner: null },
  };
  const node = members["hospital-a"];
  const context = tercet.partContext("0a".repeat(16), 7);
  const made = {
    request: {
      method: "POST",
      target,
      body_hex: tercet.hex(body),
      headers: await tercet.requestHeaders(key, certificate, node.fingerprint, "POST", target, body),
    },
    order: await tercet.signOrder(key, certificate, order),
    box: {
      upload: "0a".repeat(16),
      chunk: 7,
      plaintext_hex: tercet.hex(body),
      box_hex: tercet.hex(await tercet.seal(tercet.unhex(node.seal_key_public_hex), "part", context, body)),
    },
  };
  console.log(JSON.stringify(made));
}

await (process.argv.includes("--make") ? make() : check());
