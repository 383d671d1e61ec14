// The three nodes, asked by one person: signed requests, answers as JSON, errors that name the node.

import { printExact, text, unbase64, unbase64url } from "./bytes.js";
import { IntegrityError, NodeError } from "./errors.js";
import { canonical, requestHeaders, verify, verifyKey } from "./sign.js";

const TRIES = 6;
const ABOUT_THE_CLIENT = new Set(["pending", "signature", "unsigned"]);

/**
 * @typedef {object} Node
 * @property {string} name
 * @property {string} operator
 * @property {string} url where this page finds it, without a slash at the end
 * @property {string} fingerprint
 * @property {string} key its public signing key: SPKI in base64
 * @property {string} seal its public seal key in hexadecimal
 */

/**
 * @typedef {object} Federation
 * @property {string} id
 * @property {string} name
 * @property {Node[]} nodes in the order of their numbers; the first coordinates
 * @property {string | null} via the node through which all requests go, or null: each is asked itself
 */

/** @type {(ms: number) => Promise<void>} */
export const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** Asks the nodes of a federation for one member. */
export class Nodes {
  /**
   * @param {Federation} federation
   * @param {import("./member.js").Member} member
   */
  constructor(federation, member) {
    this.federation = federation;
    this.member = member;
  }

  get all() {
    return this.federation.nodes;
  }

  get coordinator() {
    return this.all[0];
  }

  /** The nodes to which requests go directly: all, or the one through which they go. */
  get doors() {
    const { via } = this.federation;
    return via === null ? this.all : this.all.filter(({ name }) => name === via);
  }

  /**
   * One signed request; the answer as JSON. `body`: bytes, or what `printExact` prints. Without an answer, or where the
   * node has too much to do, it is signed and sent again, up to six times.
   * @param {Node} node
   * @param {string} method
   * @param {string} target path and query
   * @param {{body?: any, headers?: Record<string, string>, signal?: AbortSignal}} [options]
   * @returns {Promise<any>}
   */
  async ask(node, method, target, { body = undefined, headers = {}, signal = undefined } = {}) {
    const bytes = body instanceof Uint8Array;
    const content = bytes ? new Uint8Array(body) : text(body === undefined ? "" : printExact(body));
    /** @type {Record<string, string>} */
    const type = body === undefined ? {} : { "Content-Type": bytes ? "application/octet-stream" : "application/json" };
    const door = this.doors.find(({ name }) => name === node.name) ?? this.doors[0];
    const path = door === node ? target : `/v1/gateway/${node.name}/${target.slice("/v1/".length)}`;
    for (let trial = 1; ; trial += 1) {
      signal?.throwIfAborted();
      const { certificate, key } = this.member;
      const signed = await requestHeaders(key, certificate, node.fingerprint, method, target, content);
      const sent = { ...headers, ...type, ...signed };
      const error = await this.#once(door, node, path, { method, headers: sent, signal, body: content.length ? content : null });
      if (!(error instanceof NodeError)) return error.answer;
      if (trial === TRIES || ![0, 429, 503].includes(error.status)) throw error;
      await pause(Math.min(5000, 200 * 2 ** trial));
    }
  }

  /** @type {(door: Node, node: Node, path: string, options: RequestInit) => Promise<{answer: any} | NodeError>} */
  async #once(door, node, path, options) {
    let answer;
    try {
      answer = await fetch(`${door.url}${path}`, { ...options, credentials: "omit", redirect: "error", cache: "no-store" });
      const told = await answer.json();
      return answer.ok ? { answer: told } : refusal(node, answer.status, told);
    } catch (error) {
      if (options.signal?.aborted) throw error;
      if (answer !== undefined) return new NodeError(`node ${node.name} answered with no JSON`, "tell its operator", node.name, answer.status, "");
      return new NodeError(
        `node ${door.name} (${door.url}) does not answer this page`,
        "it may be off; this browser may not trust its certificate; or its operator has not listed " +
          `${globalThis.location?.origin} in allowed_origins`,
        door.name,
        0,
        "",
      );
    }
  }

  /**
   * The outcome of a change that a node tells, if it is final and signed by that node.
   * @param {Node} node
   * @param {string} transaction
   * @returns {Promise<any | null>}
   */
  async outcome(node, transaction) {
    const told = await this.ask(node, "GET", `/v1/transactions/${transaction}`);
    if (told.state === "pending") return null;
    const facts = Object.fromEntries(Object.entries(told).filter(([name]) => !ABOUT_THE_CLIENT.has(name)));
    const message = text(canonical({ federation: this.federation.id, what: "change", ...facts }));
    const key = await verifyKey(unbase64(node.key));
    const signed = await verify(key, "answer", message, unbase64url(String(told.signature)));
    if (!signed || told.signer !== node.name || told.transaction !== transaction) {
      throw new IntegrityError(`node ${node.name} tells an outcome that it has not signed`, "tell the operators");
    }
    return told;
  }
}

/** @type {(node: Node, status: number, told: any) => NodeError} */
function refusal(node, status, told) {
  const who = String(told.node || node.name);
  return new NodeError(`${who}: ${told.message ?? `status ${status}`}`, String(told.hint ?? ""), who, status, String(told.error ?? ""));
}
