// The start page: who you are, to which nodes, and where to go.
import { fill, h, trouble } from "/static/base/core.js";
import { grid } from "/static/base/grid.js";
import { moment, page } from "./people.js";

const ABOUT = {
  owner: "Bring a table, see what becomes of it, take it back.",
  analyst: "Ask questions, and see their answers.",
  operator: "What your node does, and what waits for you.",
};

/** Why there is no page for this person, and what they can do. */
function nothing(person) {
  if (person.nodes.every((node) => !node.reached))
    return { message: "No node answers", hint: "look whether you reach the network they are in, then load this page again" };
  if (person.nodes.some((node) => node.roles.includes("operator")))
    return { message: "Which node is yours is not known here", hint: "end tercet web, and start it with the folder of your node, on its machine: tercet web --node FOLDER" };
  return { message: "No node gives you a role", hint: "send your card to the operators of all three nodes; they add it to their policies" };
}

page("", (main, person) => {
  fill(
    main,
    h("h1", `${person.name}, at ${person.federation}`),
    person.pages.length
      ? h("ul.places", person.pages.map((one) => h("li", h("a", { href: `/${one.name}` }, one.title), h("p", ABOUT[one.name]))))
      : trouble(nothing(person)),
    h("h2", "The three nodes"),
    grid(
      "What each node says of you",
      ["node", "operator", "your roles", ""],
      person.nodes.map((node) => [
        node.name,
        node.operator,
        node.roles.join(", ") || "none",
        node.problem ? h("span.bad", node.problem) : node.warnings.join("; ") || "answers",
      ]),
    ),
    h("h2", "You"),
    grid(
      "Compare these over the telephone",
      ["what", ""],
      [
        ["your fingerprint", h("code", groups(person.fingerprint))],
        ["the federation's", h("code", groups(person.federation_digest))],
        ["your certificate ends", moment(person.until)],
      ],
    ),
    h("p.soft", "Your keys stay with the program in the terminal; this page has none. It shows what the program is told by the nodes."),
  );
});

const groups = (text) => text.match(/.{1,4}/g).join(" ");
