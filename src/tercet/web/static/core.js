// What all pages share: the session, calls to the site, making elements, messages for people and screen readers.
// No page puts text into the document as HTML: `h` makes elements, so nothing that is shown can become a script.

const KEY = "tercet-session";
const channel = "BroadcastChannel" in globalThis ? new BroadcastChannel("tercet-session") : null;

/** An error that the site answered: `kind`, `message`, `hint`. */
class SiteError extends Error {
  constructor(body, status) {
    super(body.message || `the site answered ${status}`);
    this.kind = body.error || "error";
    this.hint = body.hint || "";
    this.node = body.node || "";
    this.rule = body.rule || "";
    this.status = status;
  }
}

/** Open the session: from the link in the address, from this tab, or from another tab of this site. */
async function openSession() {
  channel?.addEventListener("message", ({ data }) => {
    const known = sessionStorage.getItem(KEY);
    if (data === "who" && known) channel.postMessage({ session: known });
  });
  const link = location.hash.slice(1);
  if (/^[\w-]{40,}$/.test(link)) {
    history.replaceState(null, "", location.pathname + location.search);
    try {
      const answer = await fetch("/session", {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ link }),
      });
      if (answer.ok) {
        sessionStorage.setItem(KEY, (await answer.json()).session);
        return true;
      }
    } catch {
      /* told below */
    }
  }
  if (sessionStorage.getItem(KEY)) return true;
  return askOtherTabs();
}

function askOtherTabs() {
  if (!channel) return Promise.resolve(false);
  return new Promise((settle) => {
    const timer = setTimeout(() => settle(false), 300);
    channel.addEventListener("message", ({ data }) => {
      if (data && data.session) {
        clearTimeout(timer);
        sessionStorage.setItem(KEY, data.session);
        settle(true);
      }
    });
    channel.postMessage("who");
  });
}

const broken = (error) =>
  error.name === "AbortError"
    ? error
    : new SiteError({ error: "gone", message: "Tercet does not answer", hint: "look at its terminal" }, 0);

/** Call a route below /api/. `body`: an object (sent as JSON), a Blob or bytes, or nothing. Gives the Response. */
export async function call(path, { method, body, signal, headers = {} } = {}) {
  const raw = body instanceof Blob || body instanceof ArrayBuffer || ArrayBuffer.isView(body);
  let answer;
  try {
    answer = await fetch(`/api/${path}`, {
      method: method ?? (body === undefined ? "GET" : "POST"),
      headers: {
        "tercet-session": sessionStorage.getItem(KEY) ?? "",
        ...(body === undefined ? {} : { "content-type": raw ? "application/octet-stream" : "application/json" }),
        ...headers,
      },
      body: body === undefined || raw ? body : JSON.stringify(body),
      signal,
    });
  } catch (error) {
    throw broken(error);
  }
  if (answer.ok) return answer;
  let told = {};
  try {
    told = await answer.json();
  } catch {
    /* not JSON: the status is all there is */
  }
  throw new SiteError(told, answer.status);
}

/** Call a route and read its JSON. */
export const ask = async (path, options) => (await call(path, options)).json();

/** Call a route that answers one JSON object a line while it works; `each` gets them as they come, until `signal`. */
export async function follow(path, options, each) {
  const reader = (await call(path, options)).body.pipeThrough(new TextDecoderStream()).getReader();
  let kept = "";
  for (;;) {
    const { value, done } = await reader.read().catch((error) => Promise.reject(broken(error)));
    kept += value ?? "";
    const lines = kept.split("\n");
    kept = lines.pop();
    for (const line of lines) if (line) each(JSON.parse(line));
    if (done) return;
  }
}

const SVG = "http://www.w3.org/2000/svg";
const SVG_NAMES = new Set(
  "svg g path line rect circle ellipse polyline polygon text tspan title desc defs marker clipPath".split(" "),
);

/**
 * Make an element: h("button.main#go", { onclick, "aria-label": "..." }, "Go", other).
 * A property that starts with `on` is a listener; true is an empty attribute; false, null and undefined are left out.
 * h("svg:title") is SVG's where HTML has one of that name.
 */
export function h(name, ...rest) {
  const [, space, tag, marks] = name.match(/^(svg:)?([\w-]+)(.*)$/);
  const svg = space || (SVG_NAMES.has(tag) && tag !== "title");
  const made = svg ? document.createElementNS(SVG, tag) : document.createElement(tag);
  for (const [, kind, word] of marks.matchAll(/([.#])([\w-]+)/g)) {
    if (kind === ".") made.classList.add(word);
    else made.id = word;
  }
  const first = rest[0];
  const given = first && typeof first === "object" && !(first instanceof Node) && !Array.isArray(first);
  for (const [key, value] of Object.entries(given ? first : {})) {
    if (value === false || value === null || value === undefined) continue;
    if (key.startsWith("on")) made.addEventListener(key.slice(2), value);
    else if (key === "value" || key === "checked" || key === "disabled" || key === "selected") made[key] = value;
    else if (key === "style") for (const [rule, set] of Object.entries(value)) made.style.setProperty(rule, set);
    else made.setAttribute(key, value === true ? "" : value);
  }
  made.append(...(given ? rest.slice(1) : rest).flat(Infinity).filter((one) => one !== null && one !== undefined && one !== false));
  return made;
}

/** Put children into an element in place of what is there. */
export function fill(element, ...children) {
  element.replaceChildren(...children.flat(Infinity).filter((one) => one !== null && one !== undefined && one !== false));
  return element;
}

/** Say something to screen readers, without moving the focus. */
export function announce(text) {
  let region = document.getElementById("announced");
  if (!region) {
    region = h("div#announced.hidden-text", { "aria-live": "polite", role: "status" });
    document.body.append(region);
  }
  region.textContent = "";
  setTimeout(() => (region.textContent = text), 30);
}

/** A box that tells an error: what, and what to do. */
export function trouble(error) {
  return h(
    "div.trouble",
    { role: "alert" },
    h("strong", error.message),
    error.rule ? h("p", `Rule: ${error.rule}${error.node ? ` of ${error.node}` : ""}`) : null,
    error.hint ? h("p", `What to do: ${error.hint}`) : null,
  );
}

/** Run `work` for a button: it is disabled meanwhile, and an error is shown in `where`. */
export async function during(button, where, work) {
  button.disabled = true;
  button.setAttribute("aria-busy", "true");
  fill(where);
  try {
    return await work();
  } catch (error) {
    if (error.name !== "AbortError") fill(where, trouble(error));
    return undefined;
  } finally {
    button.disabled = false;
    button.removeAttribute("aria-busy");
  }
}

/** Offer bytes or text as a file. */
export function download(name, data, type) {
  const url = URL.createObjectURL(new Blob([data], { type }));
  const link = h("a", { href: url, download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 1000);
}

/** Start a page: `begin` runs when the session is open; otherwise people are told how to get a link. */
export async function start(begin) {
  const main = document.querySelector("main");
  if (!(await openSession())) {
    fill(
      main,
      h("h1", "This page needs a link"),
      h("p", "Open the link that the terminal shows. Each link opens one browser; press Enter there for another one."),
    );
    return;
  }
  try {
    await begin(main);
  } catch (error) {
    fill(main, h("h1", "This page could not be made"), trouble(error));
    throw error;
  }
}
