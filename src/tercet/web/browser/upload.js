// An upload: chunks split here, sealed and sent to each node, made visible at all three nodes or at none.

import { fresh, hex, parseExact, printExact, unhex } from "./bytes.js";
import { partContext, seal } from "./box.js";
import { InputError, IntegrityError, NodeError } from "./errors.js";
import { pause } from "./nodes.js";
import { splitChunk } from "./parts.js";
import { signOrder } from "./sign.js";

const SETTLE_MS = 5000;
const BUSY_MS = 30000;
const PAUSE_MS = 500;

/**
 * @typedef {{order: string, certificate: string, signature: string}} Order
 * @typedef {{rows: number, total: number, bytes: number}} Progress rows count once all three nodes have stored them
 * @typedef {{dataset: string, upload: string, version: number, rows: number, unsigned: string[]}} Report
 *   `unsigned`: nodes that have not signed the outcome yet; while there are any, it is not final
 */

/** One upload. After a failure `run` may be called again: what all three nodes hold is not sent again. */
export class Upload {
  /** @type {Order | null} */
  #order = null;
  #chunks = 0;

  /**
   * @param {import("./nodes.js").Nodes} nodes
   * @param {import("./table.js").Table} table
   * @param {string} dataset it is made, or its rows are added to it
   */
  constructor(nodes, table, dataset) {
    this.nodes = nodes;
    this.table = table;
    this.dataset = dataset;
    this.id = hex(fresh(16));
    this.bytes = 0;
  }

  /**
   * Check everything, then send it. Raises the error of a node that refuses, or of what is wrong with the rows.
   * @param {{progress?: (progress: Progress) => void, signal?: AbortSignal}} [options]
   * @returns {Promise<Report>}
   */
  async run({ progress = () => {}, signal = undefined } = {}) {
    const total = await this.table.check(undefined, signal);
    // an order that was sent may have been carried out: then nothing more can be sent, and need not
    if (this.#order === null) this.#chunks = await this.#sendAll(total, progress, signal);
    signal?.throwIfAborted();
    return this.#commit(this.#chunks, total);
  }

  /** Whether a commit was ordered whose outcome is not known: it may have been carried out. */
  get ordered() {
    return this.#order !== null;
  }

  /** Have the nodes forget what they hold of an upload that was not committed; one that does not answer forgets it in a day. */
  async discard() {
    await Promise.allSettled(this.nodes.all.map((node) => this.nodes.ask(node, "DELETE", `/v1/uploads/${this.id}`)));
  }

  /** @type {(total: number, progress: (progress: Progress) => void, signal?: AbortSignal) => Promise<number>} */
  async #sendAll(total, progress, signal) {
    const limits = await Promise.all(this.nodes.doors.map((node) => this.#limit(node)));
    const there = await this.#begin(total, signal);
    let [rows, chunks] = [0, 0];
    for await (const { number, rows: more, contents } of this.table.chunks(this.table.schema.chunkRows(Math.min(...limits)))) {
      signal?.throwIfAborted();
      if (!there.has(number)) {
        const { parts } = await splitChunk(this.table.schema, contents, more, this.id, number);
        await Promise.all(this.nodes.all.map((node, at) => this.#send(node, number, parts[at], signal)));
      }
      [rows, chunks] = [rows + more, chunks + 1];
      progress({ rows, total, bytes: this.bytes });
    }
    return chunks;
  }

  /** @type {(node: import("./nodes.js").Node) => Promise<number>} */
  async #limit(node) {
    const told = await this.nodes.ask(node, "GET", "/v1/node");
    if (told.fingerprint === node.fingerprint) return Number(told.limits.chunk_bytes);
    throw new IntegrityError(`${node.url} is not node ${node.name}: it has another certificate`, "tell who made this page");
  }

  /**
   * Announce the upload to all three nodes; gives the chunks of which all three hold the same split already.
   * @type {(total: number, signal?: AbortSignal) => Promise<Set<number>>}
   */
  async #begin(total, signal) {
    const body = {
      upload: this.id,
      dataset: this.dataset,
      schema: parseExact(this.table.schema.json),
      mode: await this.#mode(),
      rows: total,
    };
    const ask = () => Promise.all(this.nodes.all.map((node) => this.nodes.ask(node, "POST", "/v1/uploads", { body, signal })));
    let states = await ask();
    const deadline = Date.now() + BUSY_MS;
    while (states.some(({ state }) => state === "prepared") && Date.now() < deadline) {
      // a node is still giving up a commit that failed; until then it takes no chunks
      await pause(PAUSE_MS);
      states = await ask();
    }
    const other = states.find(({ state }) => state !== "open");
    if (other !== undefined) throw new InputError(`the upload is ${other.state} at a node`, "look at the dataset; else begin again");
    const [first, ...others] = states.map(({ chunks }) => chunks);
    const alike = Object.keys(first).filter((number) => others.every((chunks) => chunks[number] === first[number]));
    return new Set(alike.map(Number));
  }

  /** @returns {Promise<"append" | "create">} */
  async #mode() {
    try {
      await this.nodes.ask(this.nodes.coordinator, "GET", `/v1/datasets/${this.dataset}`);
      return "append";
    } catch (error) {
      if (error instanceof NodeError && error.status === 404) return "create";
      throw error;
    }
  }

  /** @type {(node: import("./nodes.js").Node, chunk: number, part: Uint8Array<ArrayBuffer>, signal?: AbortSignal) => Promise<void>} */
  async #send(node, chunk, part, signal) {
    const body = await seal(unhex(node.seal), "part", partContext(this.id, chunk), part);
    const headers = { "Tercet-Sealed": "1" };
    await this.nodes.ask(node, "PUT", `/v1/uploads/${this.id}/chunks/${chunk}`, { body, headers, signal });
    this.bytes += body.length;
  }

  /** @type {(chunks: number, rows: number) => Promise<Order>} */
  #signed(chunks, rows) {
    const { key, certificate } = this.nodes.member;
    return signOrder(key, certificate, {
      action: { action: "commit", chunks, dataset: this.dataset, rows, upload: this.id },
      created: Math.floor(Date.now() / 1000),
      federation: this.nodes.federation.id,
      transaction: hex(fresh(16)),
      version: 1,
    });
  }

  /**
   * Have the order carried out. Where its answer is lost, it is kept: the same order changes nothing twice.
   * @type {(chunks: number, rows: number) => Promise<Report>}
   */
  async #commit(chunks, rows) {
    const deadline = Date.now() + BUSY_MS;
    for (;;) {
      const order = (this.#order ??= await this.#signed(chunks, rows));
      const told = await this.#ordered(order, deadline);
      if (told?.state === "committed") return this.#settled(JSON.parse(order.order).transaction, rows);
      if (told?.state === "aborted") {
        this.#order = null;
        throw new IntegrityError(`${told.node || this.nodes.coordinator.name}: ${told.reason}`, told.hint);
      }
      if (Date.now() > deadline) throw new InputError("the change is still under way", "try again: nothing is done twice");
      await pause(PAUSE_MS);
    }
  }

  /**
   * What the coordinator says to an order; null where another change was in the way, and a new order is needed.
   * @type {(order: Order, deadline: number) => Promise<any | null>}
   */
  async #ordered(order, deadline) {
    try {
      return await this.nodes.ask(this.nodes.coordinator, "POST", `/v1/uploads/${this.id}/commit`, { body: order });
    } catch (error) {
      if (!(error instanceof NodeError) || error.status === 0 || error.status >= 500) throw error;
      this.#order = null;
      if (error.kind !== "busy" || Date.now() > deadline) throw error;
      return null;
    }
  }

  /**
   * What all three nodes have signed of it.
   * @type {(transaction: string, rows: number) => Promise<Report>}
   */
  async #settled(transaction, rows) {
    const deadline = Date.now() + SETTLE_MS;
    for (;;) {
      const told = await Promise.all(
        this.nodes.all.map((node) =>
          this.nodes.outcome(node, transaction).catch((error) => {
            if (error instanceof NodeError) return null;
            throw error;
          }),
        ),
      );
      const said = told.filter((one) => one !== null);
      const ends = new Set(said.map(({ state, version, manifest }) => printExact([state, version, manifest])));
      if (ends.size > 1 || said.some(({ state }) => state !== "committed")) {
        throw new IntegrityError("the nodes have signed different ends of the upload", "tell the operators of all three");
      }
      const unsigned = this.nodes.all.filter((_, at) => told[at] === null).map(({ name }) => name);
      if (said.length > 0 && (unsigned.length === 0 || Date.now() > deadline)) {
        return { dataset: this.dataset, upload: this.id, version: said[0].version, rows, unsigned };
      }
      if (Date.now() > deadline) throw new InputError("no node has signed what became of the upload", "try again: nothing is done twice");
      await pause(PAUSE_MS);
    }
  }
}
