// A table that was brought: its rows and columns, what stands in the way at its cell, and where it goes.
import { bytes, count, counted } from "/static/base/amounts.js";
import { announce, ask, call, download, during, fill, h, trouble } from "/static/base/core.js";
import { box, field, select } from "/static/base/fields.js";
import { grid } from "/static/base/grid.js";
import { attend } from "/static/people/people.js";
import { columnCard, description } from "./columns.js";
import { readingForm, sheetOptions } from "./reading.js";
import { followUpload } from "./upload.js";

export class Table {
  /** `place` is filled; `away` puts the table away; `refresh` is called when something became visible. */
  constructor(place, file, away, refresh) {
    Object.assign(this, { place, file, away, refresh });
    Object.assign(this, { reading: {}, sheets: [], keys: [], categories: [], problems: [], wrong: {}, missing: "refuse", into: "", again: false });
    this.told = h("div");
    this.preview = h("div");
    this.cards = h("div.columns");
    this.end = h("div");
    this.options = h("div");
    fill(
      place,
      h("h2#bring-title", { tabindex: "-1" }, file.name),
      h("p.soft", `${bytes(file.size)}, on this machine only`),
      h("div.row", h("button.quiet", { type: "button", onclick: () => this.leave() }, "Put this table away")),
      this.options,
      this.told,
    );
    place.querySelector("h2").focus();
    this.read();
  }

  async leave() {
    await call(`owner/files/${this.file.file}`, { method: "DELETE" });
    this.away();
  }

  /** Look at the table, as it is said to be read, and propose its columns. */
  async read() {
    const order = { reading: this.reading, keys: this.keys, categories: this.categories };
    fill(this.told, h("p", "Looking at its values …"), h("progress", { "aria-label": "Looking at its values" }));
    fill(this.options, readingForm(this.reading, this.sheets, (reading) => {
      this.reading = reading;
      return this.read();
    }));
    try {
      const [found, { datasets }] = await Promise.all([
        ask(`owner/files/${this.file.file}/read`, { body: order }),
        ask("owner/datasets"),
      ]);
      const { preview, ...rest } = found;
      Object.assign(this, rest, { first: preview, datasets, problems: [], wrong: {} });
    } catch (error) {
      if (await this.asksForSheet()) return;
      fill(this.told, trouble(error), h("p", "If it is to be read in another way, say so under “How it is read”."));
      this.options.querySelector("details").open = true;
      return;
    }
    announce(`${counted(this.rows, "row")}, ${counted(this.columns.length, "column")}`);
    this.show();
  }

  /** Where a workbook has several sheets, ask which one is the table; whether it does. */
  async asksForSheet() {
    if (this.reading.sheet) return false;
    const found = await ask(`owner/files/${this.file.file}/sheets`).catch(() => ({ sheets: [] }));
    if (found.sheets.length < 2) return false;
    this.sheets = found.sheets;
    const choose = select(sheetOptions(found.sheets), {
      id: "sheet",
      onchange: () => {
        this.reading = { ...this.reading, sheet: choose.value };
        return this.read();
      },
    });
    fill(this.told, field(`${this.file.name} has ${counted(found.sheets.length, "sheet")}. Which one is the table?`, choose));
    announce("Choose the sheet that is the table");
    choose.focus();
    return true;
  }

  show() {
    fill(
      this.told,
      h("p", `${counted(this.rows, "row")}, ${counted(this.columns.length, "column")}. Names, kinds, bounds and categories of what you share are `, h("strong", "public"), "; the values are not."),
      this.preview,
      h("h3", "What the columns mean"),
      h("p", "Proposed from the values. Bounds say what a value can be, not what yours happen to be."),
      this.columns.some((column) => column.notes.some((note) => note.includes("--"))) &&
        h("p", "An option in a reason, such as --decimal, is a field of “How it is read”, above. To take the # away is to tick “share” here; --key and --category are kinds."),
      this.cards,
      this.end,
    );
    this.drawCards();
    this.drawPreview();
    this.drawEnd();
  }

  get mode() {
    return this.joins ? "columns" : this.known ? "append" : "create";
  }

  get known() {
    return this.datasets.find((one) => one.name === this.into);
  }

  drawCards() {
    const fixed = this.mode === "append";
    const columns = fixed
      ? this.known.columns.map((column) => ({ name: column.name, shared: true, column, notes: [] }))
      : this.columns;
    const changed = () => {
      this.problems = [];
      this.wrong = {};
      this.drawPreview();
      fill(this.said);
    };
    fill(
      this.cards,
      columns.map((one) =>
        columnCard(one, {
          changed,
          fixed,
          problems: this.problems,
          reread: (kind) => this.askFor(one, kind),
        }),
      ),
    );
  }

  /** The owner names the column as the key, or as one of categories: the table is looked at again. */
  askFor(one, kind) {
    this.keys = this.keys.filter((name) => name !== one.name);
    this.categories = this.categories.filter((name) => name !== one.name);
    if (kind === "key") this.keys = [one.name];
    if (kind === "category") this.categories.push(one.name);
    const kept = new Map(this.columns.filter((each) => each !== one).map((each) => [each.name, each]));
    return this.read().then(() => {
      this.columns = this.columns.map((each) => kept.get(each.name) ?? each);
      this.show();
      document.getElementById(`column-${one.name}`)?.querySelector("select, input")?.focus();
    });
  }

  drawPreview() {
    const wrong = new Map();
    for (const problem of this.problems) for (const row of problem.rows) wrong.set(`${row} ${problem.column}`, problem.what);
    const rows = Object.entries(Object.keys(this.wrong).length ? this.wrong : this.first);
    const out = new Set(this.columns.filter((one) => !one.shared).map((one) => one.name));
    const caption = Object.keys(this.wrong).length ? "Rows with problems" : `The first ${counted(rows.length, "row")}`;
    const title = (one, at) => h(`th${out.has(one.name) ? ".left-out" : ""}`, { scope: "col" }, this.headers[at]);
    const shown = (row) => (text, at) => {
      const { name } = this.columns[at];
      const what = wrong.get(`${row} ${name}`);
      const inside = text === null || text.trim() === "" ? h("span.nothing", "empty") : text;
      return what
        ? h("td.wrong", { id: `cell-${row}-${name}`, tabindex: "-1" }, inside, h("small", what))
        : h(`td${out.has(name) ? ".left-out" : ""}`, inside);
    };
    fill(
      this.preview,
      grid(
        caption,
        ["row", ...this.columns.map(title)],
        rows.map(([row, cells]) => [count(row), ...cells.map(shown(row))]),
        { numbers: [0], heads: true },
      ),
      this.problems.length ? this.problemList() : null,
    );
  }

  problemList() {
    return h(
      "div.trouble",
      h("strong", `${counted(this.problems.length, "problem")}; nothing was sent`),
      h(
        "ol.problems",
        this.problems.map((problem) =>
          h(
            "li",
            h("b", problem.column),
            problem.rows.length
              ? [
                  ", row ",
                  problem.rows.slice(0, 5).map((row, at) => [at ? ", " : "", document.getElementById(`cell-${row}-${problem.column}`) || this.wrong[row] ? h("a", { href: `#cell-${row}-${problem.column}`, onclick: (event) => this.goTo(event, row, problem.column) }, count(row)) : count(row)]),
                  problem.count > 5 ? ` and ${count(problem.count - 5)} more` : "",
                ]
              : "",
            `: ${problem.what}. `,
            problem.todo ? h("span", `What to do: ${problem.todo}.`) : null,
            problem.ways.length && this.mode !== "append"
              ? h("div.row", problem.ways.map((way) => h("button.quiet", { type: "button", onclick: () => this.follow(problem, way) }, way.say)))
              : null,
          ),
        ),
      ),
    );
  }

  goTo(event, row, column) {
    event.preventDefault();
    const cell = document.getElementById(`cell-${row}-${column}`);
    cell?.scrollIntoView({ block: "center", inline: "center" });
    cell?.focus();
  }

  /** Do what a click on a way out says, then check again. */
  async follow(problem, way) {
    const one = this.columns.find((each) => each.name === problem.column);
    if (way.set) Object.assign(one.column, way.set);
    if (way.leave) one.shared = false;
    if (way.missing) this.missing = way.missing;
    if (way.na) this.reading = { ...this.reading, na: [...new Set([...(this.reading.na ?? NA), ...way.na])] };
    this.drop.checked = this.missing === "drop";
    this.drawCards();
    await this.check();
  }

  /** Where the table goes. Drawn once for each reading: a button that is replaced while it is pressed is not pressed. */
  drawEnd() {
    this.said = h("div");
    this.choice = h("div");
    const name = h("input", {
      id: "dataset",
      value: this.into,
      list: "datasets-known",
      autocomplete: "off",
      spellcheck: "false",
      onchange: () => this.goesTo(name.value.trim(), false),
    });
    const drop = box("leave out rows with missing values (else they are problems)", {
      checked: this.missing === "drop",
      onchange: (event) => (this.missing = event.target.checked ? "drop" : "refuse"),
    });
    this.drop = drop.querySelector("input");
    const again = box("upload even if the same file was uploaded before", { checked: this.again, onchange: (event) => (this.again = event.target.checked) });
    this.checking = h("button.quiet", { type: "button", onclick: () => this.check() }, "Check all rows");
    this.sending = h("button", { type: "button", onclick: () => this.send() }, "Upload");
    const save = h("button.quiet", { type: "button", onclick: () => this.save(save) }, "Save as schema file");
    fill(
      this.end,
      h("h3", "Where it goes"),
      field("Dataset: a new name, or one that is there", name),
      h("datalist#datasets-known", this.datasets.map((one) => h("option", { value: one.name }))),
      this.choice,
      drop,
      again,
      h("div.row", this.sending, this.checking, save),
      this.said,
    );
    this.drawChoice();
  }

  goesTo(dataset, joins) {
    const before = `${this.mode} ${this.known?.name}`;
    Object.assign(this, { into: dataset, joins });
    this.drawChoice();
    if (`${this.mode} ${this.known?.name}` === before) return;
    Object.assign(this, { problems: [], wrong: {} });
    this.drawCards();
    this.drawPreview();
  }

  drawChoice() {
    if (!this.known) return void fill(this.choice);
    const there = `${this.known.name} is there, with ${counted(this.known.rows, "row")}`;
    if (!this.known.columns.some((column) => column.kind === "key")) return void fill(this.choice, h("p", `${there}: these rows are added to it.`));
    const way = (joins, words) =>
      box(words, { type: "radio", name: "mode", checked: Boolean(this.joins) === joins, onchange: () => this.goesTo(this.into, joins) });
    return void fill(this.choice, h("fieldset", h("legend", there), way(false, "add these rows to it"), way(true, "add these columns to its rows, by the public key")));
  }

  wish(send) {
    return {
      file: this.file.file,
      dataset: this.into,
      mode: this.mode,
      columns: this.mode === "append" ? [] : this.columns.filter((one) => one.shared && one.column).map(description),
      reading: this.reading,
      missing: this.missing,
      again: this.again,
      send,
    };
  }

  save(button) {
    return during(button, this.said, async () => {
      const { toml } = await ask("owner/schema", { body: this.wish(false) });
      download(`${this.into || this.file.name.replace(/\..*$/, "")}.toml`, toml, "application/toml");
    });
  }

  check() {
    const said = this.said;
    return during(this.checking, said, async () => {
      const task = await ask("owner/uploads", { body: this.wish(false) });
      const bar = h("progress", { "aria-label": "Checking" });
      fill(said, h("p", "Checking all rows …"), bar);
      const end = await attend(task.task, ({ rows, total }) => {
        if (total) Object.assign(bar, { max: total, value: rows });
      });
      fill(said);
      if (end.state === "failed") throw Object.assign(new Error(end.error.message), end.error);
      if (end.state === "done") this.found(end.result);
    });
  }

  /** Show what a check found. */
  found(result) {
    this.problems = result.problems;
    this.wrong = result.rows;
    this.drawCards();
    this.drawPreview();
    if (this.problems.length) {
      announce(`${counted(this.problems.length, "problem")} found; nothing was sent`);
      this.preview.scrollIntoView({ block: "start" });
      const first = this.preview.querySelector("td.wrong, .problems a, .problems button");
      first?.focus();
      return;
    }
    const left = result.dropped ? ` ${counted(result.dropped, "row")} with missing values would be left out.` : "";
    fill(this.said, h("p.good", { role: "status" }, `All is in order: ${counted(result.count, "row")}.${left}`));
  }

  send() {
    const said = this.said;
    if (!this.into) {
      fill(said, trouble({ message: "the dataset has no name", hint: "give one above: letters without accents, digits, . _ -" }));
      document.getElementById("dataset").focus();
      return undefined;
    }
    return during(this.sending, said, async () => {
      const task = await ask("owner/uploads", { body: this.wish(true) });
      const end = await followUpload(said, task, this.refresh, () => this.send());
      if (end.state === "done" && !end.result.sent) {
        fill(said);
        this.found(end.result);
      }
    });
  }
}

// what means missing where nobody says otherwise: who names a text more, keeps these
const NA = ["NA", "na", "N/A", "n/a", "#N/A", "NaN", "nan", "NULL", "null", "None", "none", "-", "?"];
