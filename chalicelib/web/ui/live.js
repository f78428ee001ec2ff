// Polling that spares the service: one request at a time, none while the page is hidden, fewer when answers are slow.

const SHARE = 8;

/**
 * Calls `work` until it resolves to false. Waits `pause` ms (or the number that it resolves to) in between, or eight times its duration if that is longer.
 * The first call gets `wait`, the ms that the service may take for it on purpose, so they do not count. Returns {now, stop}.
 */
export function live(work, pause, wait = 0) {
  let timer = 0;
  let running = false;
  let again = false;
  let wanted = true;

  const turn = async () => {
    clearTimeout(timer);
    if (running) {
      again = true;
      return;
    }
    running = true;
    const begun = performance.now() + wait;
    const more = await work(wait);
    wait = 0;
    running = false;
    if (!wanted) return;
    if (again) {
      again = false;
      turn();
    } else if (more !== false && !document.hidden) timer = setTimeout(turn, Math.max(Number.isInteger(more) ? more : pause, SHARE * (performance.now() - begun)));
  };
  const seen = () => !document.hidden && turn();
  document.addEventListener("visibilitychange", seen);
  turn();
  return {
    now: turn,
    stop() {
      wanted = false;
      clearTimeout(timer);
      document.removeEventListener("visibilitychange", seen);
    },
  };
}
