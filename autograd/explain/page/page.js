// What the controls do.

const byId = (id) => document.getElementById(id);
const wide = () => window.innerWidth > 760;

function select(item) {
  view.selected = item;
  if (item) showDetails(item);
  else if (wide()) showDetails(root);
  else panel.replaceChildren();
  redraw();
}

function toggleGroup(group) {
  group.open = !group.open;
  update(group);
  select(group);
}

// Selects an item and brings it into sight.
function goTo(item) {
  if (reveal(item)) update(item.ax === undefined ? null : item);
  select(item);
  centre(item, false);
}

// The backward pass: -1 is before its first step.

function goToStep(step) {
  view.step = Math.max(-1, Math.min(data.order.length - 1, step));
  for (const group of groups) group.ran = 0;
  for (let i = 0; i <= view.step; ++i) {
    for (let g = nodes[data.order[i]].group; g; g = g.parent) g.ran += 1;
  }
  byId("progress").value = view.step + 1;
  byId("position").textContent = `${view.step + 1} / ${data.order.length}`;
  byId("previous").disabled = byId("first").disabled = view.step < 0;
  byId("next").disabled = byId("play").disabled = view.step >= data.order.length - 1;
  const node = current();
  if (node) {
    select(node);
    centre(visible(node), true);
  } else {
    select(null);
  }
}

let player = 0;
function play(on) {
  clearInterval(player);
  player = 0;
  byId("play").classList.toggle("playing", on);
  byId("play").setAttribute("aria-label", on ? "Pause" : "Play");
  if (!on) return;
  // Two steps a second where the pass is short, and no more than 25 where it is long.
  const pause = Math.max(40, Math.min(500, 12000 / Math.max(1, data.order.length)));
  player = setInterval(() => {
    goToStep(view.step + 1);
    if (view.step >= data.order.length - 1) play(false);
  }, pause);
}

// Search.

let hits = [];
let chosenHit = -1;

function find(query) {
  const words = query.toLowerCase().split(/\s+/).filter(Boolean);
  if (!words.length) return [];
  const matches = (what) => words.every((word) => what.toLowerCase().includes(word));
  const found = [...groups.slice(1).filter((group) => matches(pathOf(group))),
    ...nodes.filter((n) => matches(`${n.op} ${n.label} #${n.number} ${n.site} ${pathOf(n.group)} ${n.line}`))];
  // First those that are what was typed, or a word of it.
  const asked = [query.toLowerCase(), ...words];
  const exact = (item) => [item.op, item.label, item.name, `#${item.number}`]
    .some((name) => name && asked.includes(name.toLowerCase()));
  return [...found.filter(exact), ...found.filter((item) => !exact(item))];
}

function showHits() {
  const most = 50;
  const list = byId("hits");
  list.replaceChildren(...hits.slice(0, most).map((item, i) => {
    const name = item.isGroup ? item.name : `${item.title} #${item.number} ${item.shape}`;
    const where = item.isGroup ? plural(item.count, "node") : `${pathOf(item.group)} ${item.site}`;
    const row = element("li", {onclick: () => takeHit(i)}, name, element("small", {}, where));
    row.setAttribute("aria-selected", String(i === chosenHit));
    return row;
  }));
  if (hits.length > most) list.append(element("small", {}, `and ${hits.length - most} more`));
  if (!hits.length) list.append(element("small", {}, "nothing found"));
  list.hidden = byId("search").value.trim() === "";
}

function takeHit(place) {
  chosenHit = place;
  byId("hits").hidden = true;
  goTo(hits[place]);
}

function listenToSearch() {
  const box = byId("search");
  box.addEventListener("input", () => {
    hits = find(box.value.trim());
    chosenHit = -1;
    showHits();
  });
  box.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && hits.length) takeHit((chosenHit + 1) % hits.length);
    if (event.key === "Escape") byId("hits").hidden = true;
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      event.preventDefault();
      const by = event.key === "ArrowDown" ? 1 : -1;
      chosenHit = Math.max(0, Math.min(hits.length - 1, chosenHit + by));
      showHits();
      const row = byId("hits").children[chosenHit];
      if (row) row.scrollIntoView({block: "nearest"});
    }
  });
  box.addEventListener("focus", () => { if (hits.length) showHits(); });
  document.addEventListener("pointerdown", (event) => {
    if (!byId("finder").contains(event.target)) byId("hits").hidden = true;
  });
}

// The canvas: drag and pinch, wheel, tap.

const pointers = new Map();
let moved = 0;

function listenToPointers() {
  const at = (event) => {
    const corner = canvas.getBoundingClientRect();
    return [event.clientX - corner.left, event.clientY - corner.top];
  };
  canvas.addEventListener("pointerdown", (event) => {
    canvas.setPointerCapture(event.pointerId);
    pointers.set(event.pointerId, at(event));
    moved = pointers.size > 1 ? Infinity : 0;
  });
  canvas.addEventListener("pointermove", (event) => {
    const before = pointers.get(event.pointerId);
    if (!before) return;
    const now = at(event);
    if (pointers.size === 1) {
      view.x += now[0] - before[0];
      view.y += now[1] - before[1];
      moved += Math.hypot(now[0] - before[0], now[1] - before[1]);
    } else {
      const other = [...pointers].find(([id]) => id !== event.pointerId)[1];
      const far = (p) => Math.hypot(p[0] - other[0], p[1] - other[1]);
      zoom(far(now) / Math.max(1, far(before)), (now[0] + other[0]) / 2, (now[1] + other[1]) / 2);
    }
    pointers.set(event.pointerId, now);
    view.fitted = null;
    redraw();
  });
  canvas.addEventListener("pointerup", (event) => {
    pointers.delete(event.pointerId);
    if (moved < 6) tap(itemAt(...at(event)));
  });
  canvas.addEventListener("pointercancel", (event) => pointers.delete(event.pointerId));
  canvas.addEventListener("dblclick", (event) => {
    const item = itemAt(...at(event));
    if (item && item.isGroup) toggleGroup(item);
  });
  canvas.addEventListener("wheel", (event) => {
    event.preventDefault();
    const lines = event.deltaMode === 1 ? 30 : 1;
    zoom(Math.exp(-event.deltaY * lines * 0.0016), ...at(event));
  }, {passive: false});
}

// A closed group opens, an open one or a node is told of.
function tap(item) {
  play(false);
  if (item && item.isGroup && !item.open) toggleGroup(item);
  else select(item);
}

function walk(to) {
  const item = to && visible(to);
  if (!item) return;
  select(item);
  centre(item, true);
}

function listenToKeys() {
  const actions = {
    ArrowRight: () => goToStep(view.step + 1),
    ArrowLeft: () => goToStep(view.step - 1),
    ArrowUp: () => view.selected && walk(firstOf(view.selected, "from")),
    ArrowDown: () => view.selected && walk(firstOf(view.selected, "to")),
    Enter: () => view.selected && view.selected.isGroup && toggleGroup(view.selected),
    Escape: () => select(null),
    " ": () => play(!player),
    "0": fit,
    "+": () => zoom(1.3, stage.clientWidth / 2, stage.clientHeight / 2),
    "-": () => zoom(1 / 1.3, stage.clientWidth / 2, stage.clientHeight / 2),
    "/": () => byId("search").focus(),
  };
  document.addEventListener("keydown", (event) => {
    const typing = ["INPUT", "SELECT", "TEXTAREA", "BUTTON", "SUMMARY"].includes(event.target.tagName);
    if (typing || event.ctrlKey || event.metaKey || event.altKey || !actions[event.key]) return;
    event.preventDefault();
    actions[event.key]();
  });
}

// The first item that an edge leads to ("to") from the selected one, or from ("from").
function firstOf(item, side) {
  const shown = visible(item);
  const other = side === "from" ? "to" : "from";
  const edge = view.edges.find((candidate) => candidate[other] === shown);
  return edge && edge[side];
}

function listen() {
  listenToSearch();
  listenToPointers();
  listenToKeys();
  byId("first").onclick = () => goToStep(-1);
  byId("previous").onclick = () => goToStep(view.step - 1);
  byId("next").onclick = () => goToStep(view.step + 1);
  byId("play").onclick = () => play(!player);
  byId("progress").max = data.order.length;
  byId("progress").oninput = (event) => { play(false); goToStep(Number(event.target.value) - 1); };
  byId("fit").onclick = fit;
  byId("colour").onchange = (event) => setColour(event.target.value);
  const openAll = (open) => {
    for (const group of groups) group.open = open || group === root;
    update(null);
    begin();
  };
  byId("expand").onclick = () => openAll(true);
  byId("collapse").onclick = () => openAll(false);
  new ResizeObserver(() => (view.fitted ? view.fitted() : redraw())).observe(stage);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => { readPalette(); redraw(); });
}

readPalette();
openSome(60);
update(null);
listen();
byId("summary").textContent =
  `${plural(nodes.length, "node")} · ${plural(data.parameters, "parameter")} · ${bytes(root.bytes)} saved`;
byId("note").textContent = data.note;
byId("note").hidden = !data.note;
goToStep(-1);
begin();
