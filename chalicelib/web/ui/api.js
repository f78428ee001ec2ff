// Calls the HTTP interface. The page is at .../api/ui/<release>/, so addresses are relative to this module.

import { parse, stringify } from "./exact.js";

const API = new URL("../../", import.meta.url);
const KEY = "api-key";

/** An answer that is an error: RFC 9457, or the nearest to it. `status` is 0 if there was no answer. */
export class Problem extends Error {
  constructor(status, document = {}) {
    super(document.detail || document.title || document.message || `the service answered ${status}`);
    this.status = status;
    this.title = document.title || (status ? `Answered ${status}` : "No answer");
    this.errors = document.errors ?? [];
  }
}

let authorize = async () => false;

/** `ask` is called after a 401 or 403; it resolves to true if the call is to be tried again. */
export function onRefused(ask) {
  let asking = null;
  authorize = () => (asking ??= ask().finally(() => (asking = null)));
}

/** The key of API_AUTH=api_key: kept as long as the tab is open, and never on disk. */
export const key = {
  get: () => sessionStorage.getItem(KEY),
  set: (value) => (value ? sessionStorage.setItem(KEY, value) : sessionStorage.removeItem(KEY)),
};

export const address = (path) => new URL(path, API).href;

/** GET. Values in `query` may be lists; empty ones are left out. */
export const get = (path, query = {}, signal) => call("GET", path, { query, signal });
export const post = (path, body) => call("POST", path, { body });
export const remove = (path) => call("DELETE", path, {});

/** GET of a value that may be large: {blob}, or its {url}. (A redirect would pass on the key, or be refused.) */
export const file = (path) => call("GET", path, { accept: "text/uri-list, application/json", read: fileOf });

async function call(method, path, { read = answer, ...options }) {
  const response = await fetched(method, path, options);
  if ((response.status === 401 || response.status === 403) && (await authorize(response.status))) {
    return read(await fetched(method, path, options));
  }
  return read(response);
}

async function fetched(method, path, { query = {}, body, signal, accept }) {
  const url = new URL(path, API);
  for (const [name, values] of Object.entries(query)) {
    for (const value of [values].flat()) if (value !== undefined && value !== null && value !== "") url.searchParams.append(name, value);
  }
  const headers = body === undefined ? {} : { "Content-Type": "application/json" };
  if (accept) headers.Accept = accept;
  if (key.get()) headers["X-API-Key"] = key.get();
  try {
    return await fetch(url, { method, headers, signal, body: typeof body === "string" || body === undefined ? body : stringify(body) });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Problem(0, { title: "The service does not answer", detail: "The service cannot be reached." });
  }
}

async function answer(response) {
  const text = await response.text();
  let document = null;
  try {
    document = text ? parse(text) : null;
  } catch {
    document = { detail: `the service answered ${response.status}, and no JSON` };
    if (response.ok) throw new Problem(response.status, document);
  }
  if (response.ok) return document;
  throw new Problem(response.status, document ?? {});
}

async function fileOf(response) {
  if (!response.ok) return answer(response);
  const elsewhere = response.headers.get("Content-Type")?.startsWith("text/uri-list");
  return elsewhere ? { url: (await response.text()).trim() } : { blob: await response.blob() };
}

/** A path with ids in it: path`workflows/${id}/results`. */
export const path = (parts, ...values) => String.raw({ raw: parts }, ...values.map(encodeURIComponent));
