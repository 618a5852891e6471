// Runs after the page's own script, and uses the page as a reader does.

(async function () {
  const expect = (holds, what) => { if (!holds) problems.push(what); };
  const [kind, scheme] = location.hash.slice(1).split("-");
  const $ = (selector) => document.querySelector(selector);
  const all = (selector) => [...document.querySelectorAll(selector)];
  const title = () => ($("#details h2") || {textContent: ""}).textContent;
  const wait = (milliseconds) => new Promise((done) => setTimeout(done, milliseconds));
  canvas.setPointerCapture = () => {};  // knows no pointers but real ones

  function press(x, y) {
    const corner = canvas.getBoundingClientRect();
    const at = {pointerId: 1, clientX: corner.left + x, clientY: corner.top + y, bubbles: true};
    canvas.dispatchEvent(new PointerEvent("pointerdown", at));
    canvas.dispatchEvent(new PointerEvent("pointerup", at));
  }
  function pressItem(item) {
    press(view.x + (item.ax + item.w / 2) * view.scale, view.y + (item.ay + item.h / 2) * view.scale);
  }
  function key(name, target) {
    (target || document.body).dispatchEvent(new KeyboardEvent("keydown", {key: name, bubbles: true}));
  }
  function search(words) {
    $("#search").value = words;
    $("#search").dispatchEvent(new Event("input", {bubbles: true}));
  }
  // What is drawn of an edge, as points close to each other.
  function traced(edge) {
    const line = [];
    for (let i = 1; i < edge.points.length; ++i) {
      const [a, b] = [edge.points[i - 1], edge.points[i]];
      const steps = Math.ceil(Math.hypot(b.x - a.x, b.y - a.y) / 4);
      for (let k = 0; k <= steps; ++k) {
        // The curve has its control points at half the height.
        const t = k / steps;
        const s = t * t * (3 - 2 * t);
        line.push({x: a.x + (b.x - a.x) * s, y: a.y + (b.y - a.y) * (1.5 * t * (1 - t) + t * t * t)});
      }
    }
    return line;
  }
  function checkLayout() {
    // No two items of a group lie upon each other, and all lie within it.
    for (const group of groups) {
      group.items.forEach((a, i) => {
        if (group !== root) {
          expect(a.ax >= group.ax && a.ax + a.w <= group.ax + group.w + 0.5 && a.ay >= group.ay &&
            a.ay + a.h <= group.ay + group.h, `an item lies outside ${group.name}`);
        }
        for (const b of group.items.slice(i + 1)) {
          expect(a.ax + a.w <= b.ax + 0.5 || b.ax + b.w <= a.ax + 0.5 || a.ay + a.h <= b.ay ||
            b.ay + b.h <= a.ay, `items overlap in "${group.name}"`);
        }
      });
    }
    for (const edge of edges) {
      expect(edge.from.ay + edge.from.h <= edge.to.ay, `${edge.from.title} does not stand above ${edge.to.title}`);
    }
    // No edge runs over an item that is not its own.
    const byHeight = nodes.filter((node) => visible(node) === node).sort((a, b) => a.ay - b.ay);
    const tallest = Math.max(...byHeight.map((node) => node.h));
    for (const edge of view.edges) {
      for (const {x, y} of traced(edge)) {
        let low = 0;
        for (let high = byHeight.length; low < high;) {
          const middle = (low + high) >> 1;
          if (byHeight[middle].ay < y - tallest) low = middle + 1;
          else high = middle;
        }
        for (; low < byHeight.length && byHeight[low].ay < y; ++low) {
          const item = byHeight[low];
          if (item === edge.from || item === edge.to) continue;
          expect(x <= item.ax || x >= item.ax + item.w || y >= item.ay + item.h,
            `the edge from ${edge.from.title} to ${edge.to.title} runs over ${item.title}`);
        }
      }
    }
    // Edges of one source are one line as far as they go together, and every bit of it is drawn.
    for (const edge of view.edges) {
      expect(edge.parting < edge.points.length - 1, `nothing is drawn of an edge to ${edge.to.title}`);
    }
  }
  function colours() {
    const {data: pixels} = pen.getImageData(0, 0, canvas.width, canvas.height);
    const seen = new Set();
    for (let i = 0; i < pixels.length; i += 4) seen.add(pixels.slice(i, i + 4).join());
    return seen.size;
  }

  // A graph of thousands of nodes, all of them in sight.
  async function useLarge() {
    await wait(100);
    expect(nodes.length > 3000, "there are no thousands of nodes");
    expect(view.edges.length < 1000, "the page does not begin with closed groups");
    $("#expand").click();
    draw();
    checkLayout();
    search("step 149 tanh");
    key("Enter", $("#search"));
    expect(title().startsWith("tanh #"), "a node of the last step is not found");
    const tanh = view.selected;
    const codes = all("#details pre").map((pre) => pre.textContent);
    const composition = codes.indexOf("the composition of tanh");
    expect(composition >= 0 && composition < codes.findIndex((code) => code.includes("return tanh(x);")),
      "a fused op does not begin with what it equals");
    $("#progress").value = tanh.step + 1;
    $("#progress").dispatchEvent(new Event("input"));
    expect(current() === tanh, "the pass does not go to a step");
    draw();
    $("#collapse").click();
    expect(view.edges.length < 1000 && view.step === tanh.step, "closing the groups loses the step");
  }

  if (kind === "steps") {
    await useLarge().catch((error) => problems.push(error.stack));
  } else try {
    // Colours follow the reader's scheme.
    const [red] = getComputedStyle(document.body).backgroundColor.match(/\d+/g).map(Number);
    expect((red < 100) === (scheme === "dark"), `the page's background is not ${scheme}`);

    await wait(100);
    draw();
    expect($("#summary").textContent.startsWith(`${nodes.length} nodes`), "the summary counts no nodes");
    expect($("#note").hidden, "there is a note");
    expect(colours() > 10, "the canvas is blank");
    expect(title() === data.title, "the panel does not begin with the whole graph");

    // Groups open and close.
    $("#collapse").click();
    const closed = view.edges.length;
    $("#expand").click();
    expect(groups.every((group) => group.open), "expanding left a group closed");
    if (kind === "attention") {
      expect(view.edges.length > closed, "expanding shows no more edges");
      const inner = groups.find((group) => group.name === "attention");
      inner.open = false;
      update(null);
      fit();
      pressItem(inner);
      expect(inner.open, "a closed group does not open");
      expect(title() === "attention", "a group that was opened is not told of");
      expect($("#details .path").textContent === "decoder", "the path of a group is wrong");
    }
    fit();

    checkLayout();

    // A node tells all about itself.
    const tanh = nodes.find((node) => node.op === "tanh");
    pressItem(tanh);
    expect(title().startsWith("tanh #"), "pressing a node does not select it");
    const text = $("#details").textContent;
    for (const part of ["return tanh(x);", "g * (1 - y * y)", "autograd/ops/unary.cpp", "its own output", "µs"]) {
      expect(text.includes(part), `nothing says ${part}`);
    }
    expect(all("#details .histogram svg").length === 2, "there are no histograms of value and gradient");
    expect(/matmul #|add #/.test(all("#details .to").map((to) => to.textContent).join()), "no link to an input");
    if (kind === "attention") {
      expect(!text.includes("agrees"), "the check is there before it is asked for");
      $("#check").click();
      expect($("#details").textContent.includes("agrees"), "the check is not shown");
      expect(all("#details table").pop().textContent.includes("add #"), "the check does not name the input it moved");
      expect(root.checks > 5 && root.failed === 0, "not all checks agree");
    } else {
      expect(text.includes("Not computed"), "nothing says that there is no check");
    }
    key("ArrowUp");
    expect(!title().startsWith("tanh"), "the arrow does not walk along an edge");
    key("Escape");
    expect(title() === data.title, "Escape does not close the selection");

    // Search finds by op, and by name, and opens what hides the hit.
    $("#collapse").click();
    search("tanh");
    expect(!$("#hits").hidden && $("#hits li").textContent.startsWith("tanh #"), "tanh is not found");
    key("Enter", $("#search"));
    expect(title().startsWith("tanh #") && visible(tanh) === tanh, "a hit is not shown");
    search(kind === "attention" ? "query" : "w");
    key("Enter", $("#search"));
    expect(nodes[view.selected.index].isLeaf, "a leaf is not found by its name");
    search("no such thing");
    expect($("#hits").textContent.includes("nothing found"), "a search without a hit does not say so");
    search("");
    expect($("#hits").hidden, "an empty search shows hits");

    // The backward pass, in the order of the engine: a node comes before its inputs.
    $("#next").click();
    const [loss] = nodes.slice(-1);
    const last = $("#details .step").textContent;
    expect(last.includes("|g| 1 has arrived and gives |g| ") &&
      last.includes(` to ${nodes[loss.inputs[0].node].title} #`), "the step does not tell of its gradients");
    expect(all("#details pre.lines").pop().textContent === "1.0", "the gradient's elements are not shown");
    expect(title().startsWith(nodes[nodes.length - 1].op), "the pass does not begin at the end");
    expect($("#details .step").textContent.startsWith(`Step 1 of ${nodes.length}`), "the step is not told of");
    draw();
    $("#progress").value = nodes.length;
    $("#progress").dispatchEvent(new Event("input"));
    expect(current().isLeaf, "the pass does not end at a leaf");
    expect(root.ran === nodes.length, "the groups do not count what has run");
    expect($("#next").disabled && $("#position").textContent === `${nodes.length} / ${nodes.length}`,
      "the end of the pass is not shown");
    for (const edge of edges) {
      expect(edge.to.step < edge.from.step, `${edge.to.title} runs after its input ${edge.from.title}`);
    }
    key("ArrowLeft");
    expect(view.step === nodes.length - 2, "the arrow does not step back");
    $("#first").click();
    $("#play").click();
    await wait(15000);
    expect(view.step === nodes.length - 1, "playing does not reach the end");

    // Every colouring draws, and says what its colours mean.
    for (const option of $("#colour").options) {
      $("#colour").value = option.value;
      $("#colour").dispatchEvent(new Event("change"));
      draw();
      expect($("#legend").hidden === (option.value === "none"), `no legend for ${option.value}`);
    }

    // On a phone nothing is wider than the screen.
    const phone = Object.assign(document.createElement("iframe"), {width: 390, height: 800});
    phone.srcdoc = `<!doctype html>${document.documentElement.outerHTML.replace(/<script>\(async[^]*/, "")}`;
    await new Promise((done) => { phone.onload = done; document.body.append(phone); });
    const narrow = phone.contentDocument;
    expect(narrow.documentElement.scrollWidth <= 390, "the page is wider than a phone");
    expect(narrow.getElementById("graph").clientHeight > 400, "a phone shows too little of the graph");
    phone.remove();
  } catch (error) {
    problems.push(error.stack);
  }
  const verdict = Object.assign(document.createElement("pre"), {id: "verdict"});
  verdict.textContent = problems.length ? [...new Set(problems)].join("\n") : "passed";
  document.body.append(verdict);
})();
