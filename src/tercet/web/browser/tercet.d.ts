/** Tercet in a browser or Node.js: read rows, split them among three nodes, seal, sign and upload. */

// ---- bytes

export function text(value: string): Uint8Array<ArrayBuffer>;
export function hex(bytes: Uint8Array<ArrayBuffer>): string;
export function unhex(value: string): Uint8Array<ArrayBuffer>;
export function base64url(bytes: Uint8Array<ArrayBuffer>): string;
export function unbase64(value: string): Uint8Array<ArrayBuffer>;
export function unbase64url(value: string): Uint8Array<ArrayBuffer>;
export function sha256(data: Uint8Array<ArrayBuffer>): Promise<Uint8Array<ArrayBuffer>>;
/** JSON whose numbers come as objects with `written`: no double holds all integers of 128 bits. */
export function parseExact(json: string): any;

// ---- errors; no message holds a value

export class TercetError extends Error {
  constructor(message: string, hint?: string);
  hint: string;
}
export class InputError extends TercetError {
  constructor(message: string, hint?: string, column?: string);
  column: string;
}
export class NodeError extends TercetError {
  constructor(message: string, hint: string, node: string, status: number, kind: string);
  node: string;
  /** 0 where there was no answer. */
  status: number;
  kind: string;
}
export class IntegrityError extends TercetError {}

// ---- signatures, requests, orders

export function labelled(purpose: string, message: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer>;
export function signingKey(pkcs8: Uint8Array<ArrayBuffer>): Promise<CryptoKey>;
export function verifyKey(spki: Uint8Array<ArrayBuffer>): Promise<CryptoKey>;
export function sign(key: CryptoKey, purpose: string, message: Uint8Array<ArrayBuffer>): Promise<Uint8Array<ArrayBuffer>>;
export function verify(
  key: CryptoKey,
  purpose: string,
  message: Uint8Array<ArrayBuffer>,
  signature: Uint8Array<ArrayBuffer>,
): Promise<boolean>;
export function signedRequest(
  node: string,
  method: string,
  target: string,
  date: string,
  nonce: string,
  content: string,
): Uint8Array<ArrayBuffer>;
export function requestHeaders(
  key: CryptoKey,
  certificate: string,
  node: string,
  method: string,
  target: string,
  body: Uint8Array<ArrayBuffer>,
): Promise<Record<string, string>>;
export function canonical(value: any): string;
export interface Order {
  order: string;
  certificate: string;
  signature: string;
}
export function signOrder(key: CryptoKey, certificate: string, order: object): Promise<Order>;

// ---- boxes

export const OVERHEAD_BYTES: number;
export function partContext(upload: string, chunk: number): Uint8Array<ArrayBuffer>;
export function resultContext(job: string, output: number, party: number): Uint8Array<ArrayBuffer>;
export function sealKey(privateBytes: Uint8Array<ArrayBuffer>): Promise<CryptoKey>;
/** `sender` is drawn afresh for every box; given only where a vector is made again. */
export function seal(
  recipient: Uint8Array<ArrayBuffer>,
  purpose: string,
  context: Uint8Array<ArrayBuffer>,
  data: Uint8Array<ArrayBuffer>,
  sender?: { privateKey: CryptoKey; publicBytes: Uint8Array<ArrayBuffer> },
): Promise<Uint8Array<ArrayBuffer>>;
export function open(
  privateKey: CryptoKey,
  publicBytes: Uint8Array<ArrayBuffer>,
  purpose: string,
  context: Uint8Array<ArrayBuffer>,
  box: Uint8Array<ArrayBuffer>,
): Promise<Uint8Array<ArrayBuffer>>;

// ---- schemas and rows

export const FORM: Readonly<{ BITS: number; WORDS64: number; WORDS128: number; KEY_INTEGER: number; KEY_TEXT: number }>;
export class Column {
  constructor(given: any);
  name: string;
  kind: string;
  lo: string | null;
  hi: string | null;
  digits: number | null;
  fracBits: number;
  nullable: boolean;
  categories: string[];
  key: string | null;
  description: string;
  storedLo: bigint;
  storedHi: bigint;
  form: number;
  get secret(): boolean;
  get stored(): { name: string; form: number }[];
}
export class Schema {
  /** `given`: what `parseExact` made of its JSON. */
  constructor(given: any);
  static parse(json: string): Schema;
  columns: Column[];
  json: string;
  /** How the owner's tables are written; no node sees it. */
  reading: any;
  get names(): string[];
  get stored(): { name: string; form: number }[];
  chunkRows(limit?: number): number;
}
export class Table {
  static csv(schema: Schema, source: Blob | string, name: string): Promise<Table>;
  /** One record: texts by the names of columns; an empty one is a missing value. */
  static record(schema: Schema, values: Record<string, string>): Table;
  schema: Schema;
  /** Read and check all rows; nothing is sent. Gives how many there are. Throws InputError naming row and column. */
  check(progress?: (rows: number) => void, signal?: AbortSignal): Promise<number>;
  chunks(size: number): AsyncGenerator<{ number: number; rows: number; contents: Map<string, Uint8Array<ArrayBuffer>> }>;
}
/** Values as they lie in a part before they are split: booleans, integers, or UTF-8 of texts. */
export function layOut(form: number, values: any[]): Uint8Array<ArrayBuffer>;

// ---- parts

export interface Draws {
  part: string;
  salts: Uint8Array<ArrayBuffer>[];
  seeds: Map<string, (Uint8Array<ArrayBuffer> | null)[]>;
}
export interface Split {
  part: string;
  /** For nodes 1, 2 and 3. */
  parts: Uint8Array<ArrayBuffer>[];
  /** Of components 1, 2 and 3, as their holders compute them. */
  digests: () => Promise<Uint8Array<ArrayBuffer>[]>;
}
export function splitChunk(
  schema: Schema,
  contents: Map<string, Uint8Array<ArrayBuffer>>,
  rows: number,
  upload: string,
  chunk: number,
): Promise<Split>;
/** As `splitChunk`, of what was drawn; vectors are made again with it. Seeds that are used twice give the rows away. */
export function assemble(
  schema: Schema,
  contents: Map<string, Uint8Array<ArrayBuffer>>,
  rows: number,
  upload: string,
  chunk: number,
  draws: Draws,
): Promise<Split>;

// ---- members, nodes, uploads

export interface Member {
  /** DER in base64. */
  certificate: string;
  fingerprint: string;
  key: CryptoKey;
}
/** Read the PEM file of an identity. */
export function readMember(pem: string): Promise<Member>;
/** Make an identity: its file, which is secret, and its card, which is public. */
export function createMember(name: string, now?: Date): Promise<{ pem: string; card: string; fingerprint: string }>;

export interface FederationNode {
  name: string;
  operator: string;
  /** Where it is found, without a slash at the end. */
  url: string;
  fingerprint: string;
  /** Its public signing key: SPKI in base64. */
  key: string;
  /** Its public seal key in hexadecimal. */
  seal: string;
}
export interface Federation {
  id: string;
  name: string;
  /** In the order of their numbers; the first coordinates. */
  nodes: FederationNode[];
  /** The node through which all requests go, or null. */
  via: string | null;
}
export class Nodes {
  constructor(federation: Federation, member: Member);
  federation: Federation;
  member: Member;
  get all(): FederationNode[];
  get coordinator(): FederationNode;
  get doors(): FederationNode[];
  ask(
    node: FederationNode,
    method: string,
    target: string,
    options?: { body?: any; headers?: Record<string, string>; signal?: AbortSignal },
  ): Promise<any>;
  /** The outcome of a change that a node tells, if it is final and signed by that node; null if it is not final. */
  outcome(node: FederationNode, transaction: string): Promise<any | null>;
}

export interface Report {
  dataset: string;
  upload: string;
  version: number;
  rows: number;
  /** Nodes that have not signed the outcome yet; while there are any, it is not final. */
  unsigned: string[];
}
/** One upload. After a failure `run` may be called again: what all three nodes hold is not sent again. */
export class Upload {
  constructor(nodes: Nodes, table: Table, dataset: string);
  readonly id: string;
  bytes: number;
  get ordered(): boolean;
  run(options?: {
    progress?: (progress: { rows: number; total: number; bytes: number }) => void;
    signal?: AbortSignal;
  }): Promise<Report>;
  discard(): Promise<void>;
}
