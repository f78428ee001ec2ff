// The data of an instance in the page: its definition and newest status, and on request its results and history.

import { file, get, path } from "./api.js";
import { terminal } from "./status.js";

const PAGE = 200;
const MOST_PAGES = 60;

export class Model {
  /** Reads the status and the definition. `id` is that of an instance, or of a workflow for its newest instance. */
  static async load(id, signal) {
    const status = await get(path`workflows/${id}`, {}, signal);
    const { definition } = await get(path`workflow/${status.execution_id}`, {}, signal);
    return new Model(status, definition);
  }

  constructor(status, definition) {
    this.definition = definition;
    this.nodes = new Map(definition.dag.nodes.map((node) => [node.id, node]));
    this.parents = new Map(definition.dag.nodes.map((node) => [node.id, node.dependencies ?? []]));
    this.children = new Map(definition.dag.nodes.map((node) => [node.id, []]));
    for (const [id, parents] of this.parents) for (const parent of parents) this.children.get(parent)?.push(id);
    this.status = status;
    this._results = null;
  }

  get id() {
    return this.status.instance_id;
  }

  get live() {
    return this.id !== null && !terminal(this.status.status);
  }

  /** Whether it has ended, and the call of its webhook is still pending. */
  get telling() {
    return this.id !== null && !this.live && this.status.webhook?.status === "PENDING";
  }

  /** Reads the newest status, after at most `wait` ms if it has not ended; and the nodes, which may be many, only if something changed. Resolves to whether it did. */
  async refresh(wait) {
    if (!this.id) return false;
    const brief = await get(path`workflows/${this.id}`, { nodes: "false", wait: wait ? wait / 1000 : null });
    if (mark(brief) === mark(this.status)) return false;
    if (end(brief) !== end(this.status)) this._results = null;
    this.status = await get(path`workflows/${this.id}`);
    return true;
  }

  /** The results, or null while they cannot be read. */
  async results() {
    if (this.id === null || this.live) return null;
    return (this._results ??= await get(path`workflows/${this.id}/results`));
  }

  /** The result of one node: {blob}, or its {url}. */
  result(node) {
    return file(path`workflows/${this.id}/results/${node}`);
  }

  /** The history of one node or of all: {events, why, forgotten, whole}. */
  async history(node) {
    const all = { events: [], why: "", forgotten: 0, whole: true };
    let cursor = null;
    for (let page = 0; page < MOST_PAGES; page += 1) {
      const found = await get(path`workflows/${this.id}/history`, { node, limit: PAGE, cursor });
      all.events.push(...found.events);
      Object.assign(all, { why: found.why[node] ?? "", forgotten: found.forgotten });
      cursor = found.next;
      if (cursor === null) return all;
    }
    return { ...all, whole: false };
  }
}

/** A string that differs whenever anything in the status does. */
const mark = ({ status, paused, epoch, progress, usage, finished_at, webhook }) =>
  JSON.stringify([status, paused, epoch, progress, usage, finished_at, webhook]);

/** A string that differs between any two sets of results. */
const end = ({ epoch, finished_at }) => `${epoch} ${finished_at}`;
