// The panel that says all about what is selected. Text of the graph's goes into text nodes only.

const panel = document.getElementById("details");

function element(tag, properties, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children.filter((child) => child !== null && child !== undefined));
  return made;
}

function number(value) {
  if (typeof value === "string" || !Number.isFinite(value)) return String(value);
  if (value === 0) return "0";
  const size = Math.abs(value);
  return size >= 1e5 || size < 1e-3 ? value.toExponential(2) : String(Number(value.toPrecision(4)));
}

function bytes(count) {
  if (count < 1024) return `${count} B`;
  const units = ["KB", "MB", "GB"];
  let size = count;
  let unit = -1;
  while (size >= 1024 && unit < 2) {
    size /= 1024;
    unit += 1;
  }
  return `${size.toPrecision(3)} ${units[unit]}`;
}

function seconds(time) {
  if (time === undefined) return "not recorded";
  if (time === 0) return "–";
  if (time < 1e-3) return `${(time * 1e6).toPrecision(3)} µs`;
  return time < 1 ? `${(time * 1e3).toPrecision(3)} ms` : `${time.toPrecision(3)} s`;
}

function plural(count, what) {
  return `${count.toLocaleString("en")} ${what}${count === 1 ? "" : "s"}`;
}

function like(tensor) {
  return `${text(tensor.dtype)} ${text(tensor.shape)}`;
}

// Source text, its comments, strings and some words set off. The text itself is not changed.
const tokens =
  /(\/\/[^\n]*)|("(?:[^"\\\n]|\\.)*")|\b(auto|bool|const|constexpr|double|else|false|for|if|int|namespace|return|std|struct|template|Tensor|true|typename|using|void|while)\b/g;
function source(code) {
  const pre = element("pre", {className: code.includes("\n") ? "lines" : ""});
  let end = 0;
  for (const match of code.matchAll(tokens)) {
    pre.append(code.slice(end, match.index));
    const className = match[1] ? "comment" : match[2] ? "text" : "word";
    pre.append(element("span", {className}, match[0]));
    end = match.index + match[0].length;
  }
  pre.append(code.slice(end));
  return pre;
}

function linkTo(item) {
  const name = item.isGroup ? pathOf(item) : `${item.title} #${item.number}`;
  return element("button", {className: "to", onclick: () => goTo(item)}, name);
}

function svg(tag, attributes) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  return made;
}

function histogram(statistics) {
  const [, , , , min, max, , , , counts] = statistics;
  const most = Math.max(...counts);
  if (most === 0) return null;
  const picture = svg("svg", {viewBox: `0 0 ${counts.length} 46`, preserveAspectRatio: "none", role: "img"});
  picture.setAttribute("aria-label", `Histogram from ${number(min)} to ${number(max)}`);
  // Where all elements are the same there is one bar, in the middle.
  const same = min === max;
  counts.forEach((count, i) => {
    if (!count) return;
    const height = Math.max(1.5, (44 * count) / most);
    picture.append(svg("rect", {x: (same ? counts.length / 2 - 0.5 : i) + 0.06, y: 46 - height, width: 0.88, height}));
  });
  const ends = same ? ["", min, ""] : [min, max];
  return element("div", {className: "histogram"}, picture,
    element("div", {}, ...ends.map((end) => element("span", {}, end === "" ? "" : number(end)))));
}

function statistics(s, className) {
  const [count, nans, infinities, zeros, min, max, mean, deviation, norm] = s;
  const list = element("dl", {});
  const add = (name, value, mark) =>
    list.append(element("dt", {}, name), element("dd", {className: mark || ""}, value));
  add("mean", number(mean));
  add("std", number(deviation));
  add("min", number(min));
  add("max", number(max));
  add("norm", number(norm));
  add("zeros", `${number((100 * zeros) / Math.max(1, count))}%`);
  if (nans) add("NaN", String(nans), "bad");
  if (infinities) add("inf", String(infinities), "bad");
  return element("div", {className: `statistics ${className}`}, list, histogram(s));
}

function heading(name) {
  return element("h3", {}, name);
}

function pathOfItem(item) {
  const path = element("p", {className: "path muted"});
  const parts = [];
  for (let group = parentOf(item); group && group.parent; group = group.parent) parts.unshift(group);
  parts.forEach((group, i) => {
    if (i) path.append(" › ");
    path.append(element("button", {onclick: () => goTo(group)}, group.name));
  });
  return parts.length ? path : null;
}

function formulaOf(node) {
  const formula = node.formula;
  if (node.isLeaf) {
    return element("p", {className: "muted"}, "A leaf: no op made it. Gradients end here, in its .grad().");
  }
  if (!formula) {
    return element("p", {className: "muted"}, "The source that defines this op is not here.");
  }
  const derivatives = (formula.derivatives || []).map(({by, rule}) =>
    element("div", {}, element("h4", {}, `derivative by ${by}`), source(rule)));
  const sides = element("div", {className: "sides"},
    element("div", {}, element("h4", {}, formula.composition ? "forward, by the kernel" : "forward"),
      source(formula.forward)),
    element("div", {}, ...derivatives));
  // Side by side, unless that would cut their lines off; a single line may wrap.
  const codes = [formula.forward, ...(formula.derivatives || []).map((d) => d.rule)];
  const lines = codes.flatMap((code) => code.split("\n"));
  const longest = lines.reduce((most, line) => Math.max(most, line.length), 0);
  const needed = Math.min(longest, lines.length === codes.length ? 28 : 60);
  sides.style.setProperty("--side", `${needed * 7.3 + 24}px`);
  // What a fused op computes is easier to read in its composition than in the call of its kernel.
  const parts = formula.composition
    ? [element("h4", {}, "forward, in the ordinary ops that it equals"), source(formula.composition), sides]
    : [sides];
  const whole = element("details", {}, element("summary", {}, `${formula.file}:${formula.line}, the whole definition`));
  whole.append(source(formula.definition));
  return element("div", {}, ...parts, whole);
}

function outputsOf(node) {
  return node.outputs.map((output, k) => {
    const title = node.outputs.length > 1 ? `value ${k}: ${like(output)}` : `value: ${like(output)}`;
    const part = element("div", {}, element("h4", {}, title));
    if (output.value) part.append(statistics(output.value, "value"));
    else part.append(element("p", {className: "muted"}, "Its value was not recorded: let a Recording live while the graph is built."));
    if (output.elements) part.append(element("pre", {className: "lines"}, output.elements));
    part.append(element("h4", {}, "gradient"));
    if (output.gradient) part.append(statistics(output.gradient, "gradient"));
    if (output.gradientElements) part.append(element("pre", {className: "lines"}, output.gradientElements));
    else part.append(element("p", {className: "muted"}, "None arrived."));
    return part;
  });
}

function tableOf(heads, rows) {
  const head = element("tr", {}, ...heads.map((name) => element("th", {}, name)));
  const body = rows.map((cells) => element("tr", {}, ...cells.map((cell) => element("td", {}, cell))));
  return element("div", {className: "scroll"}, element("table", {}, head, ...body));
}

function inputsOf(node) {
  if (!node.inputs.length) return [];
  const rows = node.inputs.map((input) => [
    input.node < 0 ? element("span", {className: "muted"}, "constant") : linkTo(nodes[input.node]),
    like(input),
    input.gradient ? number(Number(input.gradient[8])) : "–",
  ]);
  return [heading("Inputs"), tableOf(["from", "tensor", "norm of gradient given"], rows)];
}

function usersOf(node) {
  if (!node.users.length) return [];
  const list = element("p", {});
  node.users.slice(0, 30).forEach((user, i) => list.append(i ? ", " : "", linkTo(user)));
  if (node.users.length > 30) list.append(` and ${node.users.length - 30} more`);
  return [heading("Used by"), list];
}

function savedOf(node) {
  if (!node.saved.length) return [];
  const rows = node.saved.map((saved) => [
    saved.node === node.index ? "its own output" : saved.node < 0 ? "a tensor of its own" : linkTo(nodes[saved.node]),
    like(saved),
    saved.counted ? bytes(saved.bytes) : element("span", {className: "muted"}, `${bytes(saved.bytes)}, held elsewhere`),
  ]);
  return [heading(`Saved for the backward pass: ${bytes(node.bytes)}`), tableOf(["what", "tensor", "bytes"], rows)];
}

function checksSummary() {
  if (!root.checks) return "not checked: explain a function with .check = true";
  return `${plural(root.checks, "check")}, ${root.failed ? `${root.failed} disagree` : "all agree"}`;
}

function checksOf(node) {
  if (node.isLeaf) return [];
  const part = [heading("Derivative check")];
  if (!node.checks.length) {
    part.push(element("p", {className: "muted"}, root.checks
      ? "None for this node: its inputs cannot be moved one by one."
      : "Not computed. Explain a function with .check = true to have it here."));
    return part;
  }
  const place = element("div", {});
  // "input 2" by what made it.
  const named = (of) => of.replace(/input (\d+)/g, (words, i) => {
    const from = node.inputs[i] && nodes[node.inputs[i].node];
    return from ? `${from.title} #${from.number}` : words;
  });
  const rows = node.checks.map((check) => [
    named(check.of), number(Number(check.analytic)), number(Number(check.numeric)),
    element("span", {className: check.agrees ? "good" : "bad"}, check.agrees ? "agrees" : "differs"),
  ]);
  const show = () => place.replaceChildren(
    tableOf(["moved", "by its rules", "by differences", ""], rows),
    element("p", {className: "muted"}, "The change of the outputs along a random direction, by the rules and by central differences of the op itself."));
  place.append(element("button", {id: "check", onclick: show}, "Check by finite differences"));
  part.push(place);
  return part;
}

function stepOf(node) {
  if (node !== current()) return null;
  const norm = (gradient) => `|g| ${number(Number(gradient[8]))}`;
  const arrived = node.outputs.filter((output) => output.gradient).map((output) => norm(output.gradient));
  const part = element("p", {className: "step"},
    `Step ${view.step + 1} of ${data.order.length}: ${arrived.join(" and ") || "no gradient"} has arrived`);
  const given = node.inputs.filter((input) => input.gradient);
  if (node.isLeaf) part.append(", to be added to its .grad()");
  given.forEach((input, i) => {
    const comma = i === 0 ? " and gives " : i === given.length - 1 ? " and " : ", ";
    part.append(comma, `${norm(input.gradient)} to `, linkTo(nodes[input.node]));
  });
  part.append(".");
  return part;
}

function aboutNode(node) {
  return [
    stepOf(node),
    element("h2", {}, `${node.title} `, element("span", {className: "muted"}, `#${node.number}`)),
    pathOfItem(node),
    element("p", {}, element("span", {className: "muted"}, node.isLeaf ? "made at " : "called at "), node.site),
    node.line ? source(node.line.replace(/(\S) {2,}/g, "$1  ")) : null,
    heading("Formulas"),
    formulaOf(node),
    heading("Values"),
    ...outputsOf(node),
    ...inputsOf(node),
    ...usersOf(node),
    ...savedOf(node),
    heading("Time"),
    tableOf(["forward", "backward"], [[seconds(node.forward), seconds(node.backward)]]),
    ...checksOf(node),
  ];
}

function opsWithin(group) {
  const ops = new Map();
  (function count(g) {
    for (const node of g.nodes) {
      const op = ops.get(node.op) || {count: 0, bytes: 0, forward: 0, backward: 0};
      op.count += 1;
      for (const key of ["bytes", "forward", "backward"]) op[key] += node[key] || 0;
      ops.set(node.op, op);
    }
    for (const inner of g.groups.values()) count(inner);
  })(group);
  return [...ops].sort((a, b) => b[1].forward + b[1].backward - a[1].forward - a[1].backward);
}

function aboutGroup(group) {
  const rows = opsWithin(group).map(([op, sums]) =>
    [op, String(sums.count), seconds(sums.forward), seconds(sums.backward), bytes(sums.bytes)]);
  const toggle = group.open ? "Close" : "Open";
  return [
    element("h2", {}, group.parent ? group.name : data.title),
    pathOfItem(group),
    element("p", {}, `${plural(group.count, "node")}, ${bytes(group.bytes)} saved, forward ${seconds(group.forward)}, backward ${seconds(group.backward)}`),
    group.parent ? element("button", {onclick: () => toggleGroup(group)}, toggle) : null,
    heading("Ops"),
    tableOf(["op", "nodes", "forward", "backward", "saved"], rows),
    ...(group === root ? [heading("Derivative check"), element("p", {}, checksSummary())] : []),
  ];
}

function showDetails(item) {
  const parts = item.isGroup ? aboutGroup(item) : aboutNode(item);
  const close = element("button", {className: "close", title: "Close", onclick: () => select(null)}, "✕");
  close.setAttribute("aria-label", "Close");
  panel.replaceChildren(close, ...parts.filter((part) => part !== null));
  panel.scrollTop = 0;
}
