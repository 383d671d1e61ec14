// The fields of one record, made from a schema: what is asked, and the answers that the schema allows.

const MOST_CHOICES = 7;
const LABELLED = /^(.+?)[:.]? *((?:-?[0-9]+ = [^,;]+)(?:[,;] *-?[0-9]+ = [^,;]+)*)$/;

/** @typedef {import("./schema.js").Column} Column */

/**
 * An element with attributes and contents.
 * @template {keyof HTMLElementTagNameMap} K
 * @param {K} tag
 * @param {Record<string, string>} [attributes]
 * @param {...(Node | string)} inside
 * @returns {HTMLElementTagNameMap[K]}
 */
export function element(tag, attributes = {}, ...inside) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...inside);
  return made;
}

/**
 * What is asked, and the names of answers: "Trouble relaxing: 0 = not at all, 1 = several days" has two.
 * @type {(column: Column) => {asked: string, names: Map<string, string>}}
 */
export function question(column) {
  const found = column.kind === "integer" ? LABELLED.exec(column.description) : null;
  if (found === null) return { asked: column.description || column.name, names: new Map() };
  const names = found[2].split(/[,;] */).map((one) => /** @type {[string, string]} */ (one.split(" = ")));
  return { asked: found[1], names: new Map(names) };
}

/**
 * The answers to choose from, as [what is stored, what is shown]; null where one is typed.
 * @type {(column: Column) => [string, string][] | null}
 */
function answers(column) {
  if (column.kind === "bool") return [["true", "Yes"], ["false", "No"]];
  if (column.kind === "category") return column.categories.map((name) => [name, name]);
  const { names } = question(column);
  if (names.size === 0) return null;
  const inside = [...names].filter(([value]) => BigInt(value) >= column.storedLo && BigInt(value) <= column.storedHi);
  return inside.map(([value, name]) => [value, `${name} (${value})`]);
}

/**
 * What a value may be, in words.
 * @type {(column: Column) => string}
 */
export function range(column) {
  const may = column.nullable ? "; may be left out" : "";
  const bounds = `${column.lo} to ${column.hi}`;
  switch (column.kind) {
    case "bool":
      return `true or false${may}`;
    case "category":
      return `one of ${column.categories.join(", ")}${may}`;
    case "key":
      return `${column.key === "text" ? "a text" : "a whole number"}, PUBLIC: it names the row`;
    case "integer":
      return `a whole number, ${bounds}${may}`;
    case "date":
      return `a date, ${bounds}${may}`;
    default:
      return `a number, ${bounds}${column.digits === null ? "" : `, at most ${column.digits} digits behind the point`}${may}`;
  }
}

/** @type {(column: Column) => HTMLElement} */
export function field(column) {
  const choices = answers(column);
  const { asked } = question(column);
  const id = `field-${column.name}`;
  if (choices !== null && choices.length + (column.nullable ? 1 : 0) <= MOST_CHOICES) return radios(column, asked, choices);
  const hint = element("span", { class: "hint", id: `${id}-hint` }, range(column));
  const label = element("label", { for: id }, asked);
  const common = { id, name: column.name, "aria-describedby": hint.id };
  if (choices !== null) {
    const options = [["", "Choose"], ...choices].map(([value, name]) => element("option", { value }, name));
    return element("div", {}, label, element("select", { ...common, autocomplete: "off" }, ...options), hint);
  }
  /** @type {Record<string, string>} */
  const type = column.kind === "date" ? { type: "date", min: String(column.lo), max: String(column.hi) } : { type: "text" };
  const mode = { integer: "numeric", decimal: "decimal" }[column.kind];
  /** @type {Record<string, string>} */
  const more = { ...(mode && column.storedLo >= 0n ? { inputmode: mode } : {}), autocomplete: "off" };
  return element("div", {}, label, element("input", { ...common, ...type, ...more }), hint);
}

/** @type {(column: Column, asked: string, choices: [string, string][]) => HTMLElement} */
function radios(column, asked, choices) {
  const id = `field-${column.name}`;
  /** @type {[string, string][]} */
  const all = column.nullable ? [...choices, ["", "No answer"]] : choices;
  const options = all.map(([value, name], at) => {
    /** @type {Record<string, string>} */
    const checked = column.nullable && value === "" ? { checked: "" } : {};
    const radio = element("input", { type: "radio", name: column.name, id: `${id}-${at}`, value, autocomplete: "off", ...checked });
    return element("label", { for: radio.id }, radio, name);
  });
  const legend = element("legend", {}, asked);
  return element("fieldset", { id, role: "radiogroup" }, legend, element("div", { class: "options" }, ...options));
}
