// The page: its head, the view that the address names, shortcuts, and the key if the API wants one.

import { key, onRefused } from "./api.js";
import { dialog, field } from "./dialog.js";
import { el, put } from "./element.js";
import { icon } from "./icons.js";
import { instance } from "./instance.js";
import { list } from "./list.js";
import { onTheme, theme, toggleTheme } from "./palette.js";
import { go, onMove, place } from "./router.js";
import { keyboard, showShortcuts } from "./shortcuts.js";
import { submit } from "./submit.js";
import { workflows } from "./workflows.js";

const VIEWS = new Map(Object.entries({ "": list, instances: instance, workflows, submit }));
const auth = document.documentElement.dataset.auth;
const main = el("main", { id: "main", tabindex: -1 });
let shown = { element: main };

function head() {
  const link = (to, text) => el("a", { href: `#/${to}`, "data-view": to }, text);
  const toggle = el("button", { type: "button", class: "button ghost icon-only", onclick: toggleTheme });
  const labelled = () => {
    const other = theme() === "dark" ? "light" : "dark";
    put(toggle, icon(other === "light" ? "sun" : "moon"));
    toggle.setAttribute("aria-label", `Switch to ${other}`);
    toggle.title = `Switch to ${other} (t)`;
  };
  labelled();
  onTheme(labelled);
  const help = el("button", { type: "button", class: "button ghost icon-only", "aria-label": "Keyboard shortcuts", title: "Keyboard shortcuts (?)", onclick: showShortcuts }, "?");
  return el(
    "header",
    { class: "head" },
    el("a", { class: "skip", href: "#main", onclick: (event) => (event.preventDefault(), main.focus()) }, "Skip to content"),
    el("a", { class: "brand", href: "#/" }, el("img", { src: new URL("icon.svg", import.meta.url).href, alt: "", width: 22, height: 22 }), el("span", {}, "dag-service")),
    el("nav", { "aria-label": "Pages" }, link("", "Instances"), link("workflows", "Workflows"), link("submit", "Submit")),
    el("div", { class: "tools" }, el("a", { class: "quiet docs", href: new URL("../../docs", import.meta.url).href }, "API"), help, toggle),
  );
}

function show() {
  const { view, id, query } = place();
  if (shown.moved?.(view, id, query)) return;
  shown.close?.();
  shown = (VIEWS.get(view) ?? missing)(id, query);
  put(main, shown.element);
  document.title = `${shown.title} · dag-service`;
  for (const link of document.querySelectorAll("nav a")) {
    if (link.dataset.view === (view === "instances" ? "" : view)) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  scrollTo(0, 0);
}

const missing = () => ({
  title: "Nothing here",
  element: el("div", { class: "empty" }, el("h1", {}, "There is nothing at this address"), el("a", { class: "button", href: "#/" }, "All instances")),
});

/** After the API refused a call: asks for the key, or shows what else is needed. */
async function refused() {
  if (auth === "api_key") {
    const input = el("input", { type: "password", autocomplete: "off", required: true, autofocus: true });
    const body = [el("p", {}, key.get() ? "The API refused this key." : "This stage of the API asks for a key."), field("API key", input, "Kept until this tab is closed, and sent as X-API-Key.")];
    return (await dialog({ title: "API key", body, confirm: "Use it", act: async () => (key.set(input.value.trim()), true) })) ?? false;
  }
  if (auth === "iam") {
    const text = "This stage of the API takes requests that are signed with IAM credentials (Signature Version 4), and a browser has none. Open this page through a proxy that signs, or use a stage with an API key.";
    await dialog({ title: "Signed requests only", body: el("p", {}, text) });
  }
  return false;
}

onRefused(refused);
document.body.append(head(), main);
keyboard({
  "?": showShortcuts,
  t: toggleTheme,
  l: () => go(""),
  w: () => go("workflows"),
  n: () => go("submit"),
}, () => shown.keys ?? {});
onMove(show);
show();
