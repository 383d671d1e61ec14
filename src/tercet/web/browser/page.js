// What the page does: who sends, what is sent, what becomes of it. All of it happens in this browser.

import { bytes, count, counted } from "../static/amounts.js";
import { element, field, question, range } from "./form.js";
import { createMember, hex, InputError, Nodes, parseExact, readMember, Schema, sha256, Table, TercetError, Upload } from "./tercet.js";

/** @type {(id: string) => any} */
const at = (id) => document.getElementById(id);

/** @type {import("./member.js").Member | null} */
let member = null;
/** @type {Table | null} */
let table = null;
/** @type {AbortController | null} */
let stop = null;
let reading = new AbortController();

/** @type {(text: string, good?: boolean) => void} */
function tell(text, good = false) {
  at("outcome").textContent = text;
  at("outcome").classList.toggle("good", good);
}

/** @type {(error: unknown) => string} */
function inWords(error) {
  if (!(error instanceof TercetError)) return `this page met an error that nobody expected: ${error}`;
  return error.hint ? `${error.message}\n${error.hint}` : error.message;
}

/** @type {(error: unknown) => void} */
function tellError(error) {
  at("error").textContent = inWords(error);
  at("error").hidden = false;
  at("error").focus();
}

async function loaded() {
  const { settings, integrity } = document.body.dataset;
  const answer = await fetch(String(settings), { integrity, cache: "no-store" });
  const given = parseExact(await answer.text());
  return { ...given, schema: new Schema(given.schema) };
}

/** @type {(settings: any) => void} */
function show({ schema, dataset, form, file }) {
  const keys = schema.columns.filter((/** @type {any} */ column) => column.kind === "key").map((/** @type {any} */ column) => column.name);
  at("public").textContent =
    `The values are secret. Public are: that you sent something to ${dataset}, when, how many rows, and what is asked` +
    (keys.length > 0 ? `; and the column ${keys.join(", ")}, which names the rows.` : ".");
  at("record").hidden = !form;
  at("table").hidden = !file;
  if (form) at("fields").replaceChildren(...schema.columns.map(field));
  for (const column of file ? schema.columns : []) {
    const about = question(column).asked;
    const said = about === column.name ? "" : ` (${about})`;
    at("columns").append(element("li", {}, element("strong", {}, column.name), `: ${range(column)}${said}`));
  }
}

// ---- who

/** @type {(settings: any, pem: string) => Promise<void>} */
async function become(settings, pem) {
  member = await readMember(pem);
  at("known").textContent = `Fingerprint ${member.fingerprint}. Asking the nodes …`;
  const nodes = new Nodes(settings.federation, member);
  const told = await Promise.all(
    nodes.all.map((node) =>
      nodes.ask(node, "GET", "/v1/me").then(
        (/** @type {any} */ me) => `${node.name}: knows you as ${me.name}` + (me.roles.includes("owner") ? "" : ", but not as an owner"),
        (/** @type {unknown} */ error) => `${node.name}: ${inWords(error)}`,
      ),
    ),
  );
  at("known").textContent = [`Fingerprint ${member.fingerprint}`, ...told].join("\n");
}

/** @type {(name: string, content: string) => void} */
function saved(name, content) {
  const url = URL.createObjectURL(new Blob([content], { type: "application/x-pem-file" }));
  const link = element("a", { href: url, download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 1000);
}

/** @type {(settings: any) => Promise<void>} */
async function make(settings) {
  const name = at("name").value.trim();
  const { pem, card, fingerprint } = await createMember(name);
  saved(`${name}.pem`, pem);
  URL.revokeObjectURL(at("card").href);
  at("card").href = URL.createObjectURL(new Blob([card], { type: "application/x-pem-file" }));
  at("card").download = `${name}.card.pem`;
  at("fingerprint").textContent = fingerprint;
  at("made").hidden = false;
  await become(settings, pem);
}

// ---- what

/** @type {(settings: any, file: File | undefined) => Promise<void>} */
async function choose(settings, file) {
  reading.abort();
  const { signal } = (reading = new AbortController());
  table = null;
  at("table").querySelector("button").disabled = true;
  at("checked").textContent = file === undefined ? "" : `Reading ${file.name} …`;
  if (file === undefined) return;
  try {
    const found = await Table.csv(settings.schema, file, file.name);
    signal.throwIfAborted();
    const rows = await found.check((sofar) => {
      // what is read of an earlier file may still be on its way here
      if (!signal.aborted) at("checked").textContent = `${counted(sofar, "row")} of ${file.name} checked …`;
    }, signal);
    taken(found, file.name, rows);
  } catch (error) {
    if (!signal.aborted) throw error;
  }
}

/** @type {(found: Table, name: string, rows: number) => void} */
function taken(found, name, rows) {
  table = found;
  at("checked").textContent = `${name} fits: ${counted(rows, "row")}. Nothing is sent yet.`;
  at("table").querySelector("button").disabled = false;
}

/** @type {() => Record<string, string>} */
const typed = () => Object.fromEntries([...new FormData(at("record"))].map(([name, value]) => [name, String(value)]));

/** @type {(schema: Schema, error: unknown) => void} */
function mark(schema, error) {
  for (const one of document.querySelectorAll("#fields [aria-invalid]")) one.removeAttribute("aria-invalid");
  for (const one of document.querySelectorAll("#fields .problem")) one.remove();
  const column = error instanceof InputError ? schema.columns.find(({ name }) => name === error.column) : undefined;
  if (column === undefined) return;
  const place = at(`field-${column.name}`);
  const what = /** @type {InputError} */ (error).message.replace(/^column .*, row 1: /, "");
  place.setAttribute("aria-invalid", "true");
  (place.querySelector(".options") ?? place).before(element("span", { class: "problem" }, what));
  at("error").textContent = `${question(column).asked}: ${what}`;
  (place.querySelector("input") ?? place).focus();
}

// ---- sending

/** @type {(busy: boolean) => void} */
function working(busy) {
  // a file chosen meanwhile would be offered to be sent beside what is under way
  for (const one of document.querySelectorAll("form button, #file")) /** @type {HTMLButtonElement} */ (one).disabled = busy;
  if (!busy) at("table").querySelector("button").disabled = table === null;
  at("choices").hidden = !busy;
  at("progress").hidden = !busy;
}

/** @type {(settings: any, rows: Table, done: () => void) => Promise<void>} */
async function send(settings, rows, done) {
  if (member === null) throw new InputError("the nodes do not know yet who you are", "choose your identity file, in the first section");
  await begin(new Upload(new Nodes(settings.federation, member), rows, settings.dataset), done);
}

/** @type {(upload: Upload, done: () => void) => Promise<void>} */
async function begin(upload, done) {
  stop = new AbortController();
  at("error").hidden = true;
  at("again").hidden = true;
  at("cancel").onclick = () => stop?.abort();
  working(true);
  tell("Checking, splitting and sending …");
  try {
    const report = await upload.run({ progress: ({ rows, total, bytes: sent }) => sofar(rows, total, sent), signal: stop.signal });
    done();
    working(false);
    const rows = `${counted(report.rows, "row")} ${report.rows === 1 ? "is" : "are"} in ${report.dataset}, version ${report.version}.`;
    const open = report.unsigned.join(" and ");
    tell(open ? `${rows}\nNOT FINAL: not signed yet by ${open}.` : `${rows} All three nodes have signed that.`, !open);
  } catch (error) {
    if (stop.signal.aborted && !upload.ordered) return giveUp(upload, "Cancelled. Nothing of it is visible at any node.");
    tell("It is not finished. What all three nodes hold already is not sent again.");
    at("progress").hidden = true;
    at("again").hidden = false;
    at("again").onclick = () => begin(upload, done);
    const told = upload.ordered ? "Given up. The nodes may have carried it out already: ask before you send it again." : "Given up.";
    at("cancel").onclick = () => giveUp(upload, told);
    tellError(error);
  }
}

/** @type {(rows: number, total: number, bytes: number) => void} */
function sofar(rows, total, sent) {
  at("progress").max = total;
  at("progress").value = rows;
  tell(`${count(rows)} of ${counted(total, "row")} are at all three nodes (${bytes(sent)}).`);
}

/** @type {(upload: Upload, told: string) => Promise<void>} */
async function giveUp(upload, told) {
  tell("Asking the nodes to forget it …");
  await upload.discard();
  working(false);
  at("error").hidden = true;
  tell(told);
}

// ---- the page itself

async function showHash() {
  // people paste it into a terminal: who made the link must not have put a command into its query
  const here = location.href.split("#")[0].replaceAll("'", "%27");
  at("commands").textContent =
    `# Linux; on a Mac with shasum -a 256 in place of sha256sum\ncurl -s '${here}' | sha256sum\n` +
    `# Windows, in PowerShell\ncurl.exe -s '${here}' -o page.html; Get-FileHash page.html`;
  const page = await fetch(here, { cache: "no-store" });
  at("hash").textContent = hex(await sha256(new Uint8Array(await page.arrayBuffer())));
}

/** @type {(work: () => Promise<void>, failed?: (error: unknown) => void) => Promise<void>} */
async function trying(work, failed = () => {}) {
  at("error").hidden = true;
  try {
    await work();
  } catch (error) {
    tellError(error);
    failed(error);
  }
}

async function start() {
  if (globalThis.crypto?.subtle === undefined) throw new InputError("this page can seal nothing here", "open it over https");
  const settings = await loaded();
  show(settings);
  at("identity").addEventListener("change", (/** @type {any} */ event) => {
    const [file] = event.target.files;
    if (file !== undefined) void trying(async () => become(settings, await file.text()));
  });
  at("make").addEventListener("submit", (/** @type {Event} */ event) => {
    event.preventDefault();
    void trying(() => make(settings));
  });
  at("file").addEventListener("change", (/** @type {any} */ event) => {
    void trying(() => choose(settings, event.target.files[0]), () => {
      at("checked").textContent = "The file is not taken as it is. Nothing is sent.";
      // the same file, corrected, is to count as another choice
      at("file").value = "";
    });
  });
  at("record").addEventListener("submit", (/** @type {Event} */ event) => {
    event.preventDefault();
    const record = Table.record(settings.schema, typed());
    const work = async () => {
      await record.check();
      mark(settings.schema, null);
      await send(settings, record, () => at("record").reset());
    };
    void trying(work, (error) => mark(settings.schema, error));
  });
  at("table").addEventListener("submit", (/** @type {Event} */ event) => {
    event.preventDefault();
    const rows = table;
    if (rows !== null) {
      void trying(() =>
        send(settings, rows, () => {
          at("table").reset();
          at("checked").textContent = "";
          table = null;
        }),
      );
    }
  });
  await showHash();
}

start().catch((error) => {
  at("broken").textContent = inWords(error);
  at("broken").hidden = false;
});
