// Asking again and again, without being a burden: never two at once, not while nobody looks, less often where it takes long.

const SHARE = 8;

/** Calls `work` until it resolves to false; `pause` ms apart, or eight times as long as it took. Returns {now, stop}. */
export function live(work, pause) {
  let timer = 0;
  let running = false;
  let again = false;
  let stopped = false;

  const turn = async () => {
    if (running) {
      again = true;
      return;
    }
    clearTimeout(timer);
    running = true;
    const begun = performance.now();
    let more = true;
    try {
      more = await work();
    } finally {
      running = false;
      if (again && !stopped) {
        again = false;
        turn();
      } else if (more !== false && !stopped && !document.hidden) {
        timer = setTimeout(turn, Math.max(pause, SHARE * (performance.now() - begun)));
      }
    }
  };
  const seen = () => !document.hidden && !stopped && turn();
  document.addEventListener("visibilitychange", seen);
  turn();
  return {
    now: turn,
    stop() {
      stopped = true;
      clearTimeout(timer);
      document.removeEventListener("visibilitychange", seen);
    },
  };
}
