import { runDown } from "./rundown.js";

const units = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 };
const lists = new Map(); // key -> its element
const bars = new Map(); // key and token -> its element

// showMarks shows the marks under their keys. Those that are shown already keep running.
export function showMarks(list, marks) {
  const alive = new Set();
  for (const mark of marks) {
    const id = `${mark.key} ${mark.token}`;
    alive.add(mark.key).add(id);
    if (!lists.has(mark.key)) lists.set(mark.key, addKey(list, mark.key));
    if (!bars.has(id)) bars.set(id, addMark(lists.get(mark.key).querySelector("ul"), mark));
  }
  for (const shown of [bars, lists]) {
    for (const [id, element] of shown) {
      if (alive.has(id)) continue;
      element.remove();
      shown.delete(id);
    }
  }
}

function addKey(list, key) {
  const item = document.getElementById("key").content.cloneNode(true).firstElementChild;
  item.querySelector("code").textContent = key;
  list.append(item);
  return item;
}

function addMark(list, mark) {
  const item = document.getElementById("mark").content.cloneNode(true).firstElementChild;
  list.append(item);
  const left = item.querySelector(".left");
  runDown(item.querySelector(".bar i"), mark.msLeft, intervalOf(mark.key),
    (rest) => left.textContent = `${(rest / 1000).toFixed(1)} s`);
  return item;
}

// intervalOf reads the interval from a key: 10 seconds of ginlimit:1/10s:/pay:ip=127.0.0.1.
function intervalOf(key) {
  const [, amount, unit] = key.match(/:\d+\/(\d+)(ms|s|m|h):/) ?? [];
  return amount ? amount * units[unit] : Infinity;
}
