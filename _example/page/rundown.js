const running = new WeakMap(); // bar -> what stops it
const calm = matchMedia("(prefers-reduced-motion: reduce)");

// runDown lets a bar run down from left to 0 milliseconds, where whole would be full, and calls tell with what is left
// until that is 0. A second call takes over the bar.
export function runDown(bar, left, whole, tell) {
  running.get(bar)?.();
  const end = performance.now() + left;
  const motion = bar.animate([{ transform: `scaleX(${Math.min(left / whole, 1)})` }, { transform: "scaleX(0)" }],
    { duration: left, easing: calm.matches ? "steps(10)" : "linear" });
  const tick = () => {
    const rest = Math.max(end - performance.now(), 0);
    tell(rest);
    if (rest === 0) stop();
  };
  const timer = setInterval(tick, 100);
  const stop = () => {
    clearInterval(timer);
    motion.cancel();
  };
  running.set(bar, stop);
  tick();
}
