// Draws failing fractions with their intervals (uPlot). The tables of the page say the same.
"use strict";
(() => {
  const style = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const percent = (value) => {
    if (value == null) return "unknown";
    const number = value * 100;
    if (number === 0) return "0\u202f%";
    return `${Number(number.toPrecision(2)).toString()}\u202f%`;
  };
  const two = (n) => String(n).padStart(2, "0");
  const utc = (seconds) => {
    const d = new Date(seconds * 1000);
    return `${d.getUTCFullYear()}-${two(d.getUTCMonth() + 1)}-${two(d.getUTCDate())} ${two(d.getUTCHours())}:${two(d.getUTCMinutes())} UTC`;
  };
  const drawn = [];

  const draw = (place) => {
    const data = JSON.parse(place.dataset.chart);
    place.replaceChildren();
    const [ink, soft, line, band, bad] = ["--ink", "--soft", "--line", "--band", "--bad-fill"].map(style);
    const top = Math.max(1e-3, data.tolerance || 0, ...data.high.map((v) => v || 0), ...data.fraction.map((v) => v || 0));
    const marks = (u) => {
      const c = u.ctx;
      c.save();
      c.beginPath();
      c.rect(u.bbox.left, u.bbox.top, u.bbox.width, u.bbox.height);
      c.clip();
      c.lineWidth = devicePixelRatio;
      c.font = `${11 * devicePixelRatio}px system-ui, sans-serif`;
      for (const [at, [time, name]] of data.marks.entries()) {
        const x = u.valToPos(time, "x", true);
        if (x < u.bbox.left || x > u.bbox.left + u.bbox.width) continue;
        c.strokeStyle = bad;
        c.beginPath();
        c.moveTo(x, u.bbox.top);
        c.lineTo(x, u.bbox.top + u.bbox.height);
        c.stroke();
        c.fillStyle = soft;
        const right = x > u.bbox.left + u.bbox.width * 0.7;
        c.textAlign = right ? "right" : "left";
        c.fillText(name.slice(0, 30), x + (right ? -5 : 5) * devicePixelRatio, u.bbox.top + (12 + 13 * (at % 3)) * devicePixelRatio);
      }
      if (data.tolerance > 0) {
        const y = u.valToPos(data.tolerance, "y", true);
        c.strokeStyle = soft;
        c.setLineDash([4 * devicePixelRatio, 3 * devicePixelRatio]);
        c.beginPath();
        c.moveTo(u.bbox.left, y);
        c.lineTo(u.bbox.left + u.bbox.width, y);
        c.stroke();
      }
      c.restore();
    };
    const few = data.t.length < 60;
    const series = (label, more) => ({ label, value: (_, v, series, at) => (at == null ? "" : percent(v)), points: { show: false }, spanGaps: false, ...more });
    const u = new uPlot({
      width: Math.max(200, place.clientWidth),
      height: place.closest(".charts") ? 190 : 260,
      tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1000), "UTC"),
      cursor: { y: false, points: { size: 7 } },
      scales: { x: { range: [data.from, data.until] }, y: { range: [0, top * 1.08] } },
      axes: [
        { stroke: soft, grid: { stroke: line, width: 1 }, ticks: { stroke: line }, values: [
          [86400, "{YYYY}-{MM}-{DD}", null, null, null, null, null, null, 1],
          [3600, "{HH}:{mm}", "\n{YYYY}-{MM}-{DD}", null, "\n{MM}-{DD}", null, null, null, 1],
          [60, "{HH}:{mm}", "\n{YYYY}-{MM}-{DD}", null, "\n{MM}-{DD}", null, null, null, 1],
          [1, "{HH}:{mm}:{ss}", "\n{YYYY}-{MM}-{DD}", null, "\n{MM}-{DD}", null, null, null, 1],
        ] },
        { stroke: soft, size: 70, grid: { stroke: line, width: 1 }, ticks: { stroke: line }, values: (_, all) => all.map(percent) },
      ],
      series: [
        { label: "at", value: (_, v) => (v == null ? "" : utc(v)) },
        series("at most", { stroke: "transparent" }),
        series("fails", { stroke: ink, width: 1.6, points: { show: few, size: 5, fill: ink } }),
        series("at least", { stroke: "transparent" }),
      ],
      bands: [{ series: [1, 3], fill: band }],
      hooks: { draw: [marks] },
    }, [data.t, data.high, data.fraction, data.low], place);
    return u;
  };

  const all = () => {
    while (drawn.length) drawn.pop().destroy();
    for (const place of document.querySelectorAll("[data-chart]")) drawn.push(draw(place));
  };
  let waits;
  addEventListener("resize", () => { clearTimeout(waits); waits = setTimeout(all, 150); });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", all);
  all();
})();
