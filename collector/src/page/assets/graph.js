// Draws columns and the edges between them: tables as boxes, laid out by dagre. The list of the page says the same.
"use strict";
(() => {
  const SVG = "http://www.w3.org/2000/svg";
  const ROW = 22, HEAD = 36, WIDTH = 210, ROOM = 14;
  const make = (name, attributes, ...children) => {
    const element = document.createElementNS(SVG, name);
    for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
    element.append(...children);
    return element;
  };
  const short = (text, most) => (text.length > most ? `${text.slice(0, most - 1)}…` : text);

  const draw = (place) => {
    const { nodes, edges } = JSON.parse(place.dataset.graph);
    place.replaceChildren();
    const tables = new Map();
    nodes.forEach((node, at) => {
      const key = JSON.stringify([node.source, node.table]);
      if (!tables.has(key)) tables.set(key, { source: node.source, table: node.table, columns: [] });
      const table = tables.get(key);
      node.key = key;
      node.row = table.columns.length;
      table.columns.push(at);
    });
    const graph = new dagre.graphlib.Graph({ multigraph: false });
    graph.setGraph({ rankdir: "LR", nodesep: 22, ranksep: 90, marginx: ROOM, marginy: ROOM });
    graph.setDefaultEdgeLabel(() => ({}));
    for (const [key, table] of tables) {
      table.height = HEAD + ROW * table.columns.length + 4;
      graph.setNode(key, { width: WIDTH, height: table.height });
    }
    for (const edge of edges) {
      const from = nodes[edge.from].key, to = nodes[edge.to].key;
      if (from !== to) graph.setEdge(from, to);
    }
    dagre.layout(graph);
    const size = graph.graph();
    const box = (node) => {
      const { x, y } = graph.node(node.key);
      const table = tables.get(node.key);
      return { left: x - WIDTH / 2, right: x + WIDTH / 2, y: y - table.height / 2 + HEAD + ROW * node.row + ROW / 2 };
    };
    const world = make("g", {});
    const lines = edges.map((edge) => {
      const from = box(nodes[edge.from]), to = box(nodes[edge.to]);
      let path;
      if (nodes[edge.from].key === nodes[edge.to].key) {
        const out = from.right + 34;
        path = `M${from.right},${from.y} C${out},${from.y} ${out},${to.y} ${to.right},${to.y}`;
      } else {
        const bend = Math.max(40, Math.abs(to.left - from.right) / 2);
        path = `M${from.right},${from.y} C${from.right + bend},${from.y} ${to.left - bend},${to.y} ${to.left - 2},${to.y}`;
      }
      const masked = edge.masked ? ", cannot be read back" : "";
      const said = `${edge.kind}${masked}, by ${edge.origin} (${edge.certainty})${edge.fate === "same" ? "" : `, ${edge.fate}`}`;
      const line = make("path", {
        d: path, class: `edge ${edge.direct ? "direct" : "indirect"} fate-${edge.fate}`, "marker-end": "url(#end)",
      }, make("title", {}, said));
      world.append(line);
      return line;
    });
    for (const [key, table] of tables) {
      const { x, y } = graph.node(key);
      const left = x - WIDTH / 2, top = y - table.height / 2;
      const group = make("g", { transform: `translate(${left},${top})` });
      group.append(
        make("rect", { class: "box", width: WIDTH, height: table.height, rx: 7 }),
        make("path", { class: "head", d: `M0,${HEAD} V7 Q0,0 7,0 H${WIDTH - 7} Q${WIDTH},0 ${WIDTH},7 V${HEAD} Z` }),
        make("text", { class: "name", x: 10, y: 16 }, short(table.table, 26)),
        make("text", { class: "place", x: 10, y: 30 }, short(table.source, 30)),
        make("title", {}, `${table.table} of ${table.source}`),
      );
      for (const at of table.columns) {
        const node = nodes[at];
        const name = node.column === "" || node.column === "*" ? "(as a whole)" : node.column;
        const row = make("g", { class: `column${node.focus ? " focus" : ""}`, transform: `translate(1,${HEAD + ROW * node.row})` },
          make("rect", { width: WIDTH - 2, height: ROW, rx: 3 }),
          make("text", { x: 10, y: 15 }, short(name, 28)), make("title", {}, name));
        const link = make("a", { href: node.link, "aria-label": `${node.table}.${name}${node.focus ? ", which this is about" : ""}` }, row);
        const show = (on) => {
          edges.forEach((edge, line) => {
            const near = edge.from === at || edge.to === at;
            lines[line].classList.toggle("near", on && near);
            lines[line].classList.toggle("dim", on && !near);
          });
        };
        for (const [event, on] of [["pointerenter", true], ["pointerleave", false], ["focus", true], ["blur", false]]) {
          link.addEventListener(event, () => show(on));
        }
        group.append(link);
      }
      world.append(group);
    }
    // room for the buttons below
    const width = size.width || WIDTH, height = (size.height || 120) + 36;
    const shown = Math.min(620, Math.max(160, height, place.clientWidth < 600 ? 300 : 0));
    const svg = make("svg", { height: shown, role: "group", "aria-label": `Graph of ${nodes.length} columns and ${edges.length} edges` },
      make("defs", {}, make("marker", { id: "end", viewBox: "0 0 8 8", refX: 7, refY: 4, markerWidth: 6, markerHeight: 6, orient: "auto" },
        make("path", { d: "M0,0 L8,4 L0,8 Z" }))), world);
    place.append(svg);

    // what is asked about stays in sight; all of it where it is legible
    const frame = () => place.clientWidth;
    const whole = Math.min(1, frame() / width, shown / height);
    const at = { scale: Math.max(whole, 0.55), x: 0, y: 0 };
    const focus = nodes.find((node) => node.focus);
    const centre = () => {
      if (width * at.scale <= frame()) at.x = (frame() - width * at.scale) / 2;
      else if (focus) at.x = Math.min(0, Math.max(frame() - width * at.scale, frame() / 2 - (box(focus).left + WIDTH / 2) * at.scale));
      if (height * at.scale <= shown) at.y = (shown - height * at.scale) / 2;
      else if (focus) at.y = Math.min(0, Math.max(shown - height * at.scale, shown / 2 - box(focus).y * at.scale));
    };
    const put = () => world.setAttribute("transform", `translate(${at.x},${at.y}) scale(${at.scale})`);
    const zoom = (by, x = frame() / 2, y = shown / 2) => {
      const scale = Math.min(2.5, Math.max(0.1, at.scale * by));
      at.x = x - ((x - at.x) * scale) / at.scale;
      at.y = y - ((y - at.y) * scale) / at.scale;
      at.scale = scale;
      put();
    };
    let held = null, moved = 0;
    svg.addEventListener("pointerdown", (event) => { if (event.button === 0) { held = [event.clientX, event.clientY]; moved = 0; } });
    addEventListener("pointermove", (event) => {
      if (!held) return;
      const [x, y] = [event.clientX - held[0], event.clientY - held[1]];
      moved += Math.abs(x) + Math.abs(y);
      at.x += x;
      at.y += y;
      held = [event.clientX, event.clientY];
      svg.classList.add("drags");
      put();
    });
    addEventListener("pointerup", () => { held = null; svg.classList.remove("drags"); });
    addEventListener("pointercancel", () => { held = null; });
    svg.addEventListener("dragstart", (event) => event.preventDefault());
    svg.addEventListener("click", (event) => { if (moved > 6) event.preventDefault(); }, true);
    svg.addEventListener("wheel", (event) => {
      if (!event.ctrlKey && !event.metaKey) return;
      event.preventDefault();
      const rect = svg.getBoundingClientRect();
      zoom(Math.exp(-event.deltaY / 300), event.clientX - rect.left, event.clientY - rect.top);
    }, { passive: false });
    const buttons = document.createElement("div");
    buttons.className = "zoom";
    for (const [sign, said, by] of [["+", "Nearer", 1.25], ["−", "Farther", 0.8]]) {
      const button = document.createElement("button");
      button.type = "button";
      button.className = "quiet";
      button.textContent = sign;
      button.setAttribute("aria-label", said);
      button.addEventListener("click", () => zoom(by));
      buttons.append(button);
    }
    const all = document.createElement("button");
    all.type = "button";
    all.className = "quiet";
    all.textContent = "all";
    all.setAttribute("aria-label", "Show all of the graph");
    all.addEventListener("click", () => { at.scale = whole; at.x = 0; at.y = 0; centre(); put(); });
    buttons.append(all);
    place.append(buttons);
    centre();
    put();
  };
  for (const place of document.querySelectorAll("[data-graph]")) draw(place);
})();
