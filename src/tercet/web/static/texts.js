// Texts with {names} in them.

/** Fill the {names} of a text. */
export const said = (text, values) => text.replace(/\{(\w+)\}/g, (whole, name) => values[name] ?? whole);

/** A text whose {names} are elements: a list of its parts. */
export const told = (text, values) =>
  text.split(/(\{\w+\})/).map((part) => (/^\{\w+\}$/.test(part) ? (values[part.slice(1, -1)] ?? part) : part));
