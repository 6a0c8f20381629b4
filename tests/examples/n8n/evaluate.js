"use strict";
// For each line {template, json, today} on standard input prints a line: what n8n would make of a parameter. Text around
// `{{ … }}` is joined, a sole `{{ … }}` keeps its type.
const evaluate = ({ template, json, today }) => {
  const $now = { toISODate: () => today };
  const value = (code) => new Function("$json", "$now", `return (${code});`)(json, $now);
  const parts = template.slice(1).split(/\{\{([\s\S]*?)\}\}/);
  const texts = parts.filter((_, at) => at % 2 === 0);
  return parts.length === 3 && texts.every((text) => text === "")
    ? value(parts[1])
    : parts.map((part, at) => (at % 2 ? String(value(part) ?? "") : part)).join("");
};
require("readline")
  .createInterface({ input: process.stdin })
  .on("line", (line) => console.log(JSON.stringify(evaluate(JSON.parse(line)) ?? null)));
