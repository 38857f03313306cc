//! How the values of a column lie before and after: two histograms back to back, or bars for each value.

use super::bar::{Tick, at};
use super::change::Legend;
use super::edges::Edges;
use crate::report::words::{count, plural};
use fieldmark_model::shape::{ColumnShape, ShapeAxis, ShapeSide};

/// Pixels that one side has, and that its tallest bar takes of them.
const HALF: f64 = 52.0;
const TALLEST: f64 = 48.0;
/// Pixels of a bar that is there at all.
const THINNEST: f64 = 1.5;
/// Pixels under the bars for labels.
const LABELS: f64 = 17.0;
/// Percent of the width between two bars, and of the widest of them.
const GAP: f64 = 0.3;
const WIDEST: f64 = 34.0;
/// Percent of the width of a bar beyond the axis, and with the space beside it.
const BEYOND: f64 = 4.0;
const BEYOND_ROOM: f64 = 6.0;
/// Percent of the width of the bar of NULLs, and with the space beside it.
const NULL: f64 = 7.0;
const NULL_ROOM: f64 = 11.0;

pub(super) struct Chart {
    pub(super) histogram: Option<Histogram>,
    pub(super) values: Vec<Value>,
    pub(super) legend: Vec<Legend>,
    pub(super) facts: String,
    pub(super) caption: String,
}

/// Positions across are percent of the width, those down are pixels.
pub(super) struct Histogram {
    pub(super) label: String,
    pub(super) height: String,
    pub(super) bars: Vec<Bar>,
    pub(super) gaps: Vec<Line>,
    pub(super) base: Vec<Line>,
    pub(super) ticks: Vec<Tick>,
    pub(super) tick_from: String,
    pub(super) tick_to: String,
    pub(super) text_at: String,
}

pub(super) struct Bar {
    pub(super) class: String,
    pub(super) x: String,
    pub(super) y: String,
    pub(super) width: String,
    pub(super) height: String,
    pub(super) text: String,
}

pub(super) struct Line {
    pub(super) from: String,
    pub(super) to: String,
    pub(super) y: String,
}

/// One value with its rows.
pub(super) struct Value {
    pub(super) name: String,
    pub(super) label: String,
    pub(super) rows: String,
    pub(super) bars: Vec<Bar>,
}

/// One side: its name, its rows, whether its bars stand or hang.
#[derive(Clone, Copy)]
struct Side<'a> {
    name: &'static str,
    of: &'a ShapeSide,
    up: bool,
}

fn sides(shape: &ColumnShape) -> Vec<Side<'_>> {
    let before = shape.before.iter().map(|of| Side { name: "before", of, up: true });
    let after = shape.after.iter().map(|of| Side { name: "after", of, up: shape.before.is_none() });
    before.chain(after).collect()
}

/// `3 before, 12 after`.
fn both(sides: &[Side<'_>], text: impl Fn(&ShapeSide) -> String) -> String {
    let parts: Vec<String> = sides.iter().map(|side| format!("{} {}", text(side.of), side.name)).collect();
    parts.join(", ")
}

/// `3 → 12`, in one piece.
fn arrow(sides: &[Side<'_>], text: impl Fn(&ShapeSide) -> String) -> String {
    let parts: Vec<String> = sides.iter().map(|side| text(side.of)).collect();
    parts.join("\u{a0}→\u{a0}")
}

fn pixels(value: f64) -> String {
    format!("{value:.1}")
}

impl Chart {
    pub(super) fn of(column: &str, shape: &ColumnShape) -> Self {
        let sides = sides(shape);
        let any = |of: fn(&ShapeSide) -> u64| sides.iter().any(|side| of(side.of) > 0);
        let what = match &shape.axis {
            ShapeAxis::Numbers { .. } | ShapeAxis::Times { .. } => "Values",
            ShapeAxis::Lengths { .. } => "Lengths in characters",
            ShapeAxis::Booleans | ShapeAxis::Values { .. } => "Rows by value",
        };
        let were = if shape.rows == 1 { "was" } else { "were" };
        let rows = format!("of the {} that {were} read both times", plural(shape.rows, "marked row"));
        let mut caption = vec![format!("{what}, {rows}.")];
        let edges = Edges::of(&shape.axis);
        let facts = edges.as_ref().map(|edges| facts(&sides, edges)).unwrap_or_default();
        let histogram = edges.map(|edges| {
            let said: Vec<String> = facts.iter().map(|(what, both, _)| format!("; {what}: {both}")).collect();
            let label = format!("{what} of {column}, {rows}{}", said.concat());
            let mut drawing = Drawing::of(&sides);
            let histogram = drawing.histogram(&edges, label);
            caption.push(format!("Tallest bar: {}.", plural(drawing.peak, "row")));
            if edges.rising {
                caption.push("The axis is logarithmic.".into());
            }
            if !histogram.gaps.is_empty() {
                caption.push("A bar with a gap is longer than it is drawn.".into());
            }
            histogram
        });
        if any(|side| side.few) {
            let few = both(&sides, |side| count(side.few));
            caption.push(format!("Bins of fewer than {} rows are left empty ({few}).", shape.least));
        }
        if any(|side| side.other) {
            let other = both(&sides, |side| count(side.other));
            caption.push(format!("Left out: {other}, not read whole or without a place among the others."));
        }
        let (above, below) = if histogram.is_some() && sides.len() > 1 { (", above", ", below") } else { ("", "") };
        let legend = sides.iter().map(|side| Legend {
            class: side.name,
            text: format!("{}{}", side.name, if side.up { above } else { below }),
        });
        Self {
            legend: legend.collect(),
            values: if histogram.is_none() { values(&shape.axis, &sides) } else { Vec::new() },
            histogram,
            facts: facts.iter().map(|(what, _, arrow)| format!("{what}: {arrow}")).collect::<Vec<_>>().join(" · "),
            caption: caption.join(" "),
        }
    }
}

/// What is known beside the bins: a name, and what it is of both sides, in words and with an arrow.
fn facts(sides: &[Side<'_>], edges: &Edges) -> Vec<(String, String, String)> {
    let mut facts = Vec::new();
    let median = |side: &ShapeSide| side.median.and_then(|bin| edges.bin(bin)).unwrap_or_else(|| "none".into());
    if sides.iter().any(|side| side.of.median.is_some()) {
        facts.push(("Median".to_owned(), both(sides, median), arrow(sides, median)));
    }
    let mut add = |name: String, of: fn(&ShapeSide) -> u64| {
        if sides.iter().any(|side| of(side.of) > 0) {
            let rows = |side: &ShapeSide| count(of(side));
            facts.push((name, both(sides, rows), arrow(sides, rows)));
        }
    };
    add("NULL".into(), |side| side.null);
    let (under, over) = edges.beyond();
    add(under, |side| side.below);
    add(over, |side| side.above);
    facts
}

/// Bars of two sides back to back, of one side standing.
struct Drawing<'a> {
    sides: &'a [Side<'a>],
    /// Rows of the tallest bar that is drawn whole. Bars of NULLs are cut there.
    peak: u64,
    bars: Vec<Bar>,
    gaps: Vec<Line>,
}

impl<'a> Drawing<'a> {
    fn of(sides: &'a [Side<'a>]) -> Self {
        let rows = sides.iter().flat_map(|side| side.of.bins.iter().chain([&side.of.below, &side.of.above]));
        Self { sides, peak: rows.copied().max().unwrap_or(0).max(1), bars: Vec::new(), gaps: Vec::new() }
    }

    /// A bar at percent `from` to `to`.
    fn bar(&mut self, side: Side<'_>, part: &str, (from, to): (f64, f64), rows: u64, what: &str) {
        if rows == 0 {
            return;
        }
        let height = ((rows as f64 / self.peak as f64).min(1.0) * TALLEST).max(THINNEST);
        let y = if side.up { HALF - 0.5 - height } else { HALF + 0.5 };
        self.bars.push(Bar {
            class: format!("{}{part}", side.name),
            x: at(from),
            y: pixels(y),
            width: at(to - from),
            height: pixels(height),
            text: format!("{what}: {} {}", count(rows), side.name),
        });
        if rows > self.peak {
            let y = if side.up { y + 8.0 } else { y + height - 8.0 };
            self.gaps.push(Line { from: at(from), to: at(to), y: pixels(y) });
        }
    }

    fn histogram(&mut self, edges: &Edges, label: String) -> Histogram {
        let sides = self.sides;
        let any = |of: fn(&ShapeSide) -> u64| sides.iter().any(|side| of(side.of) > 0);
        let (below, above, null) = (any(|side| side.below), any(|side| side.above), any(|side| side.null));
        let room = |needed: bool, room: f64| if needed { room } else { 0.0 };
        let left = room(below, BEYOND_ROOM);
        let right = 100.0 - room(null, NULL_ROOM) - room(above, BEYOND_ROOM);
        let bins = edges.bins().max(1) as f64;
        let width = ((right - left) / bins).min(WIDEST);
        let right = left + width * bins;
        let (lowest, highest, nulls) =
            ((0.0, BEYOND), (right + BEYOND_ROOM - BEYOND, right + BEYOND_ROOM), (100.0 - NULL, 100.0));
        let (under, over) = edges.beyond();
        for side in sides {
            self.bar(*side, " beyond", lowest, side.of.below, &under);
            for (bin, rows) in side.of.bins.iter().enumerate() {
                let from = left + bin as f64 * width;
                let what = edges.bin(bin).unwrap_or_default();
                self.bar(*side, "", (from, from + width - GAP), *rows, &what);
            }
            self.bar(*side, " beyond", highest, side.of.above, &over);
            self.bar(*side, " null", nulls, side.of.null, "NULL");
        }
        let line = |(from, to): (f64, f64)| Line { from: at(from), to: at(to), y: pixels(HALF) };
        let mut base = vec![line((left, right))];
        base.extend(below.then(|| line(lowest)));
        base.extend(above.then(|| line(highest)));
        base.extend(null.then(|| line(nulls)));
        let middle = if edges.single { width / 2.0 } else { 0.0 };
        let labels = edges.labels().into_iter().map(|label| {
            let x = left + label.edge as f64 * width + middle;
            let anchor = if x < 4.0 && !edges.single {
                "start"
            } else if x > 96.0 {
                "end"
            } else {
                "middle"
            };
            Tick { at: at(x), text: label.text, anchor, crowded: label.crowded }
        });
        let mut ticks: Vec<Tick> = labels.collect();
        ticks.extend(null.then(|| Tick {
            at: at(100.0 - NULL / 2.0),
            text: "NULL".into(),
            anchor: "middle",
            crowded: false,
        }));
        let bottom = if sides.len() > 1 { 2.0 * HALF } else { HALF };
        Histogram {
            label,
            height: pixels(bottom + LABELS),
            bars: std::mem::take(&mut self.bars),
            gaps: std::mem::take(&mut self.gaps),
            base,
            ticks,
            tick_from: pixels(bottom),
            tick_to: pixels(bottom + 4.0),
            text_at: pixels(bottom + 14.0),
        }
    }
}

/// One line for each value, and one for NULL where there are such.
fn values(axis: &ShapeAxis, sides: &[Side<'_>]) -> Vec<Value> {
    let names: Vec<String> = match axis {
        ShapeAxis::Booleans => vec!["true".into(), "false".into()],
        ShapeAxis::Values { values } => values.iter().map(|value| legible(value)).collect(),
        ShapeAxis::Numbers { .. } | ShapeAxis::Times { .. } | ShapeAxis::Lengths { .. } => return Vec::new(),
    };
    let peak = sides.iter().flat_map(|side| side.of.bins.iter().chain([&side.of.null])).copied().max().unwrap_or(0);
    let line = |name: &str, part: &str, of: &dyn Fn(&ShapeSide) -> u64| {
        let bars = sides.iter().filter(|side| of(side.of) > 0).map(|side| Bar {
            class: format!("{}{part}", side.name),
            x: at(0.0),
            y: pixels(match (sides.len(), side.name) {
                (1, _) => 6.0,
                (_, "before") => 1.0,
                _ => 11.0,
            }),
            width: at((100.0 * of(side.of) as f64 / peak.max(1) as f64).max(0.4)),
            height: pixels(8.0),
            text: format!("{} {}", count(of(side.of)), side.name),
        });
        Value {
            bars: bars.collect(),
            label: format!("{name}: {}", both(sides, |side| count(of(side)))),
            rows: arrow(sides, |side| count(of(side))),
            name: name.to_owned(),
        }
    };
    let of_bin =
        |(bin, name): (usize, &String)| line(name, "", &|side: &ShapeSide| side.bins.get(bin).copied().unwrap_or(0));
    let mut lines: Vec<Value> = names.iter().enumerate().map(of_bin).collect();
    if sides.iter().any(|side| side.of.null > 0) {
        lines.push(line("NULL", " null", &|side: &ShapeSide| side.null));
    }
    lines
}

/// A value that can be told from the page's own words: in quotes where it is blank at an end, or looks like NULL.
fn legible(value: &str) -> String {
    let shown: String = value.chars().map(|c| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c }).collect();
    if value.trim() != value || value.is_empty() || value == "NULL" { format!("\"{shown}\"") } else { shown }
}
