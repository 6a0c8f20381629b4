"use strict";
(() => {
  const find = (id) => document.getElementById(id);
  if (!find("preparing")) return; // only the live page has anything to follow
  const base = location.pathname.replace(/\/+$/, "");
  const sections = ["preparing", "code", "linking", "linked", "wrong_number", "resting", "failed", "over"];
  const last = ["linked", "over"];
  let source = null;
  let state = "preparing";
  let codeEnds = 0;
  let codeLife = 1;
  let pageEnds = 0;
  let codesLeft = 1;

  const now = () => performance.now() / 1000;
  const counted = (element, number) => {
    const format = number === 1 ? element.dataset.one : element.dataset.format;
    const text = number < 1 && element.dataset.over ? element.dataset.over : format.replace("{n}", number);
    if (element.textContent !== text) element.textContent = text;
  };

  const show = (next) => {
    if (next === state) return;
    state = next;
    for (const id of sections) find(id).hidden = id !== next;
    const title = find(next).querySelector("h2");
    find("said").textContent = title ? title.textContent : "";
    if (next !== "code") find("typed").hidden = true;
    if (last.includes(next)) {
      source.close();
      find("ends").hidden = true;
      find("offline").hidden = true;
    }
  };

  const tick = () => {
    const left = Math.max(0, Math.ceil(codeEnds - now()));
    counted(find("left"), left);
    find("bar").value = Math.max(0, codeEnds - now()) / codeLife;
    if (pageEnds) counted(find("ends"), Math.max(1, Math.ceil((pageEnds - now()) / 60)));
  };

  const take = (view) => {
    if (view.qr_base64) {
      find("image").src = "data:image/png;base64," + view.qr_base64;
      codeEnds = now() + view.code_left_s;
      codeLife = Math.max(1, view.code_left_s);
    }
    pageEnds = view.link_left_s ? now() + view.link_left_s : 0;
    counted(find("more"), view.codes_left);
    codesLeft = view.codes_left;
    find("get").disabled = codesLeft < 1;
    show(view.state);
    tick();
  };

  const follow = () => {
    if (source) source.close();
    source = new EventSource(base + "/events");
    source.onopen = () => { find("offline").hidden = true; };
    source.onmessage = (message) => take(JSON.parse(message.data));
    source.onerror = () => {
      if (last.includes(state)) return;
      find("offline").hidden = false;
      if (source.readyState === EventSource.CLOSED) comeBack();
    };
  };

  // A browser gives up on a stream that is answered with an error, whichever: a proxy says 502 while we restart.
  const comeBack = async () => {
    let status = 0;
    try {
      status = (await fetch(base + "/events", { method: "HEAD" })).status;
    } catch {
      // no line at all
    }
    if (status === 403 || status === 404) show("over");
    else setTimeout(follow, 3000);
  };

  const complain = (why) => {
    const wrong = find("wrong");
    wrong.hidden = !why;
    wrong.textContent = why ? wrong.dataset[why] : "";
  };

  const ask = async () => {
    complain("");
    find("get").disabled = true;
    const field = find("number");
    const body = field.closest("[hidden]") ? {} : { phone_number: field.value.trim() };
    try {
      const answer = await fetch(base + "/code", {
        method: "POST",
        headers: { "Content-Type": "application/json" },
        body: JSON.stringify(body),
      });
      const said = answer.ok ? await answer.json() : null;
      if (said) {
        find("letters").textContent = said.pairing_code.replace(/^(\w{4})(\w{4})$/, "$1-$2");
        find("typed").hidden = false;
        find("said").textContent = said.pairing_code.split("").join(" ");
        find("typed").scrollIntoView({ block: "nearest" });
      } else if (answer.status === 422) complain("number");
      else if (answer.status === 429) complain(codesLeft < 1 ? "none" : "later");
      else if (answer.status === 404) show("over");
      else complain("later");
    } catch {
      complain("later");
    } finally {
      find("get").disabled = codesLeft < 1;
    }
  };

  find("alone").addEventListener("click", () => {
    find("other").open = true;
  });
  find("image").addEventListener("load", () => {
    const image = find("image");
    image.classList.toggle("small", image.naturalWidth < image.clientWidth * devicePixelRatio);
  });
  find("ask").addEventListener("submit", (event) => {
    event.preventDefault();
    ask();
  });
  // A phone puts a page to sleep while WhatsApp is in front of it.
  document.addEventListener("visibilitychange", () => {
    if (document.visibilityState === "visible" && !last.includes(state)) follow();
  });
  setInterval(tick, 500);
  follow();
})();
