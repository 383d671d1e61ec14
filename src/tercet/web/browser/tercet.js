// Tercet in a browser or Node.js: reads rows, splits them among three nodes, seals, signs and uploads.
//
// WebCrypto and nothing else; no build step. `tercet.d.ts` has the types, vectors/README.md every format, and
// vectors/check.mjs runs this module against the vectors.

export { base64url, hex, parseExact, sha256, text, unbase64, unbase64url, unhex } from "./bytes.js";
export { OVERHEAD_BYTES, open, partContext, resultContext, seal, sealKey } from "./box.js";
export { IntegrityError, InputError, NodeError, TercetError } from "./errors.js";
export { canonical, labelled, requestHeaders, sign, signedRequest, signingKey, signOrder, verify, verifyKey } from "./sign.js";
export { assemble, splitChunk } from "./parts.js";
export { Column, FORM, Schema } from "./schema.js";
export { Table } from "./table.js";
export { layOut } from "./values.js";
export { createMember, readMember } from "./member.js";
export { Nodes } from "./nodes.js";
export { Upload } from "./upload.js";
