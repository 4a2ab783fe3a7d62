import { runDown } from "./rundown.js";
import { showMarks } from "./marks.js";

const routes = [
  { name: "Pay", method: "POST", path: "/pay", interval: 10, rule: "once in 10 s per client" },
  { name: "Report", method: "POST", path: "/report", interval: 30, rule: "once in 30 s for everyone" },
  { name: "Log in", method: "POST", path: "/login", interval: 60, rule: "5 times in any minute per client" },
  { name: "Stock", method: "GET", path: "/api/stock", interval: 3, rule: "once in 3 s per client" },
  { name: "Orders", method: "GET", path: "/api/orders", interval: 3, rule: "same group, marks of its own" },
];
const shown = ["Retry-After", "RateLimit", "RateLimit-Policy", "X-Served-By"];
const byId = (id) => document.getElementById(id);

// look polls what is in Redis, from the server that this page came from.
async function look() {
  const response = await fetch("/marks", { cache: "no-store" });
  const seen = await response.json();
  if (!response.ok) throw new Error(`Redis does not answer: ${seen.error}`);
  byId("client").textContent = seen.client;
  showMarks(byId("marks"), seen.marks);
  byId("none").hidden = seen.marks.length > 0;
  return seen;
}

async function keepLooking() {
  for (;;) {
    try {
      const { servers } = await look();
      if (!byId("routes").childElementCount) byId("routes").append(...routes.map((route) => card(route, servers)));
      byId("notice").hidden = true;
    } catch (error) {
      byId("notice").textContent = error instanceof TypeError ? "The example does not answer. Is it still running?" : error.message;
      byId("notice").hidden = false;
    }
    await new Promise((resolve) => setTimeout(resolve, 1000));
  }
}

// card is one route with a button for each server.
function card(route, servers) {
  const article = byId("route").content.cloneNode(true).firstElementChild;
  article.id = route.path.slice(1).replace("/", "-");
  article.querySelector("h3").textContent = route.name;
  article.querySelector("code").textContent = `${route.method} ${route.path}`;
  article.querySelector(".rule").textContent = route.rule;
  article.querySelector(".ask").ariaLabel = route.name;
  for (const port of servers) {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = `Ask ${port}`;
    button.ariaLabel = `Ask ${port}: ${route.name}`;
    button.addEventListener("click", () => ask(route, port, article));
    article.querySelector(".ask").append(button);
  }
  return article;
}

async function ask(route, port, article) {
  const [bar, state] = [article.querySelector(".bar i"), article.querySelector(".state")];
  let response;
  try {
    // The same host name as this page's, so that both servers see the same client.
    response = await fetch(`http://${location.hostname}:${port}${route.path}`, { method: route.method, cache: "no-store" });
  } catch {
    state.textContent = byId("said").textContent = `Server ${port} does not answer. Is the example still running?`;
    return;
  }
  const servedBy = response.headers.get("X-Served-By");
  const headers = shown.filter((name) => response.headers.has(name)).map((name) => `${name}: ${response.headers.get(name)}`);
  byId("answer").replaceChildren(
    `${route.method} ${location.hostname}:${port}${route.path}\n\n`,
    colored(response, `${response.status} ${response.statusText}`),
    ["", ...headers, "", await response.text()].join("\n"),
  );

  const rest = document.createTextNode("");
  state.replaceChildren(colored(response, response.status), rest);
  byId("said").textContent = `${route.name}: ${response.status} from server ${servedBy}`;

  const wait = Number(response.headers.get("Retry-After")) * 1000;
  if (!wait) rest.textContent = ` from ${servedBy}: let through`;
  else byId("said").textContent += `, try again in ${wait / 1000} seconds`;
  runDown(bar, wait, route.interval * 1000, (left) => {
    if (!wait) return;
    rest.textContent = ` from ${servedBy}: ` + (left > 0 ? `try again in ${Math.ceil(left / 1000)} s` : "now try again");
    if (left === 0) byId("said").textContent = `${route.name}: now try again`;
  });
  look().catch(() => {}); // the next poll says what is wrong
}

function colored(response, text) {
  const span = document.createElement("span");
  span.className = response.ok ? "good" : "bad";
  span.textContent = text;
  return span;
}

keepLooking();
