// Search without asking the server for each letter, buttons that copy code, and boxes that can be scrolled by keys.
// Without this file the pages work, too: the box then asks /docs/search.

const QUERY_MAX = 100, WORDS_MAX = 8, HITS_MAX = 20, SHOWN = 160, BEFORE = 50;
const input = document.querySelector("#q");
const box = document.querySelector("#hits");
const said = document.querySelector("#said");
let loading = null;

// What is searched: [address, page, title, text, weight] of each section; the same as in api/docs/search.py.
function load() {
  loading ??= fetch("/docs/index.json")
    .then((answer) => (answer.ok ? answer.json() : Promise.reject(new Error(answer.statusText))))
    .then((rows) => rows.map((row) => ({ row, lowered: [row[2], row[1], row[3]].map((each) => each.toLowerCase()) })))
    .catch(() => { loading = null; return []; });
  return loading;
}

const wordsOf = (query) =>
  query.slice(0, QUERY_MAX).toLowerCase().split(/\s+/).filter(Boolean).slice(0, WORDS_MAX);

function scoreOf(words, [title, page, text]) {
  let total = 0;
  for (const word of words) {
    const score =
      10 * title.includes(word) + 6 * (` ${title}`.split(` ${word}`).length - 1) + 5 * page.includes(word) + text.includes(word);
    if (!score) return 0;
    total += score;
  }
  return total;
}

function find(places, words) {
  return places
    .map(({ row, lowered }, place) => ({ row, place, score: scoreOf(words, lowered) * row[4] }))
    .filter(({ score }) => score)
    .sort((a, b) => b.score - a.score || a.place - b.place)
    .slice(0, HITS_MAX)
    .map(({ row }) => row);
}

function excerpt(text, words) {
  const lowered = text.toLowerCase();
  const found = words.map((word) => lowered.indexOf(word)).filter((at) => at >= 0);
  let begin = Math.max(0, (found.length ? Math.min(...found) : 0) - BEFORE);
  if (begin) begin = text.indexOf(" ", begin) + 1;
  const end = begin + SHOWN;
  return `${begin ? "… " : ""}${text.slice(begin, end)}${end < text.length ? " …" : ""}`;
}

// Text with its words marked; nothing of it is ever read as HTML.
function marked(text, words) {
  const parts = document.createDocumentFragment();
  const lowered = text.toLowerCase();
  let at = 0;
  while (at < text.length) {
    const next = words
      .map((word) => [lowered.indexOf(word, at), word.length])
      .filter(([begin]) => begin >= 0)
      .sort((a, b) => a[0] - b[0] || b[1] - a[1])[0];
    if (!next) break;
    const mark = document.createElement("mark");
    mark.textContent = text.slice(next[0], next[0] + next[1]);
    parts.append(text.slice(at, next[0]), mark);
    at = next[0] + next[1];
  }
  parts.append(text.slice(at));
  return parts;
}

function hit([address, page, title, text], words) {
  const item = document.createElement("li");
  const link = document.createElement("a");
  link.href = address;
  const head = document.createElement("strong");
  head.append(marked(title, words));
  const below = document.createElement("small");
  below.append(marked(excerpt(text, words), words));
  link.append(head, ...(page === title ? [] : [` · ${page}`]), below);
  item.append(link);
  return item;
}

function close() {
  box.hidden = true;
  box.replaceChildren();
  said.textContent = "";
}

async function search() {
  const query = input.value;
  const words = wordsOf(query);
  if (!words.length) return close();
  const hits = find(await load(), words);
  if (query !== input.value) return undefined;
  const list = document.createElement("ul");
  list.className = "hits";
  list.append(...hits.map((each) => hit(each, words)));
  box.replaceChildren(list);
  box.hidden = !hits.length;
  said.textContent = hits.length ? `${hits.length} found, arrow keys choose` : "nothing found";
  return undefined;
}

function move(event) {
  const links = [...box.querySelectorAll("a")];
  const steps = { ArrowDown: 1, ArrowUp: -1 };
  if (event.key === "Escape" && !box.hidden) {
    event.preventDefault(); // else the browser empties the box, too
    close();
    input.focus();
  } else if (event.key in steps && links.length) {
    event.preventDefault();
    const next = links.indexOf(document.activeElement) + steps[event.key];
    (next < 0 ? input : links[Math.min(next, links.length - 1)]).focus();
  } else if (document.activeElement !== input && event.key.length === 1 && !event.ctrlKey && !event.metaKey && !event.altKey) {
    input.focus();
  }
}

input.addEventListener("focus", load, { once: true });
input.addEventListener("input", search);
input.form.addEventListener("keydown", move);
input.form.addEventListener("focusout", (event) => {
  if (event.relatedTarget && !input.form.contains(event.relatedTarget)) close();
});
document.addEventListener("click", (event) => {
  if (!input.form.contains(event.target)) close();
  else if (event.target.closest("#hits a")) close();
});
document.addEventListener("keydown", (event) => {
  const isTyping = event.target.closest("input, textarea, select");
  if (event.key !== "/" || isTyping || event.ctrlKey || event.metaKey || event.altKey) return;
  event.preventDefault();
  input.focus();
  input.select();
});

// Code is copied where the browser lets a page do so: on this host, or by TLS.
if (navigator.clipboard) {
  for (const code of document.querySelectorAll(".code")) {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "copy";
    button.textContent = "Copy";
    button.addEventListener("click", async () => {
      const done = await navigator.clipboard.writeText(code.querySelector("pre").textContent).then(() => true, () => false);
      button.textContent = done ? "Copied" : "Not allowed";
      button.classList.add("done");
      said.textContent = button.textContent;
      setTimeout(() => { button.textContent = "Copy"; button.classList.remove("done"); }, 2000);
    });
    code.append(button);
  }
}

// What is wider than its box can be scrolled by keys once it can be focused.
const widths = new ResizeObserver((entries) => {
  for (const { target } of entries) {
    if (target.scrollWidth > target.clientWidth) {
      target.tabIndex = 0;
      target.setAttribute("role", "group");
      target.setAttribute("aria-label", target.matches("pre") ? "Code" : "Table");
    } else {
      for (const name of ["tabindex", "role", "aria-label"]) target.removeAttribute(name);
    }
  }
});
for (const wide of document.querySelectorAll("pre, .table")) widths.observe(wide);

// A link to a call opens it.
function reveal() {
  const call = document.querySelector(":target")?.closest("details");
  if (!call) return;
  call.open = true;
  call.scrollIntoView();
}
addEventListener("hashchange", reveal);
reveal();
