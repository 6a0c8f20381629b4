"use strict";
// Reads {template, json, today} on standard input, prints what n8n would make of a parameter: text around `{{ … }}` is
// joined, a sole `{{ … }}` keeps its type.
const { template, json, today } = JSON.parse(require("fs").readFileSync(0, "utf8"));
const $now = { toISODate: () => today };
const value = (code) => new Function("$json", "$now", `return (${code});`)(json, $now);
const parts = template.slice(1).split(/\{\{([\s\S]*?)\}\}/);
const texts = parts.filter((_, at) => at % 2 === 0);
const result =
  parts.length === 3 && texts.every((text) => text === "")
    ? value(parts[1])
    : parts.map((part, at) => (at % 2 ? String(value(part) ?? "") : part)).join("");
process.stdout.write(JSON.stringify(result ?? null));
