use super::*;
use crate::report::fixture;
use fieldmark_model::shape::{ColumnShape, ShapeAxis, ShapeSide};
use fieldmark_model::{RuleId, SourceName, TableName};

const HOSTILE: &str = "\"><script>alert('1')</script><img src=x onerror=alert(2)>&amp;";

/// A report in which every text that comes from outside is hostile.
fn hostile() -> Report {
    let mut report = fixture::guard();
    let check = fixture::check();
    report.findings = check.findings;
    report.errors = check.errors;
    report.outcomes.extend(check.outcomes);
    let text = || HOSTILE.to_owned();
    report.command = text();
    report.notes = vec![text()];
    for source in &mut report.sources {
        (source.name, source.database, source.address) = (SourceName::new(text()), text(), text());
    }
    for finding in &mut report.findings {
        (finding.id, finding.what, finding.remedy, finding.column) = (text(), text(), text(), Some(text()));
    }
    for error in &mut report.errors {
        (error.what, error.remedy) = (text(), Some(text()));
    }
    let migration = report.migration.as_mut().unwrap();
    for mark in &mut migration.marks {
        (mark.id, mark.path) = (text(), text());
    }
    let outcomes = report.outcomes.iter_mut();
    let changed = migration.sources.iter_mut().flat_map(|source| {
        (source.mark, source.reasons) = (text(), vec![text()]);
        source.tables_added = vec![TableName::new("s", text())];
        let rules = source.rules.iter_mut().flat_map(|rule| [&mut rule.before, &mut rule.after]);
        let tables = source.tables.iter_mut().flat_map(|table| {
            (table.reasons, table.examples) = (vec![text()], vec![text()]);
            table.renamed_from = Some(TableName::new("s", text()));
            for column in &mut table.columns {
                (column.column, column.reason) = (text(), text());
                (column.type_before, column.type_after) = (Some(text()), Some("int".into()));
                let side = ShapeSide { bins: vec![2], null: 1, ..ShapeSide::default() };
                let axis = ShapeAxis::Values { values: vec![text()] };
                column.shape =
                    Some(ColumnShape { axis, rows: 3, least: 0, before: Some(side.clone()), after: Some(side) });
            }
            &mut table.transitions
        });
        rules.chain(tables)
    });
    for outcome in outcomes.chain(changed) {
        (outcome.rule, outcome.kind, outcome.reason) = (RuleId::new(text()), text(), text());
        (outcome.owner, outcome.sql, outcome.description) = (Some(text()), Some(text()), Some(text()));
        (outcome.runbook, outcome.examples) = (Some(format!("javascript:{HOSTILE}")), vec![text()]);
    }
    report
}

/// Elements that have no end tag.
const VOID: [&str; 3] = ["meta", "br", "img"];

/// Checks that every tag is closed in order, that ids are unique and named ones exist; gives the names of the tags.
fn well_formed(html: &str) -> Vec<String> {
    let mut open: Vec<String> = Vec::new();
    let mut seen = Vec::new();
    let mut rest = html.strip_prefix("<!DOCTYPE html>").unwrap();
    while let Some((_, tag)) = rest.split_once('<') {
        // an attribute's quotes may hold no bare angle bracket, so the next one ends the tag
        let (tag, after) = tag.split_once('>').unwrap();
        rest = after;
        let name: String = tag.trim_start_matches('/').chars().take_while(|c| c.is_ascii_alphanumeric()).collect();
        assert!(!name.is_empty(), "<{tag}>");
        assert_eq!(tag.matches('"').count() % 2, 0, "<{tag}>");
        if tag.starts_with('/') {
            assert_eq!(open.pop().as_deref(), Some(name.as_str()), "<{tag}>");
            continue;
        }
        if name == "style" {
            rest = rest.split_once("</style>").unwrap().1;
        } else if !tag.ends_with('/') && !VOID.contains(&name.as_str()) {
            open.push(name.clone());
        }
        seen.push(name);
    }
    assert_eq!(open, Vec::<String>::new());
    let values = |attribute: &str| -> Vec<String> {
        html.split(attribute).skip(1).filter_map(|rest| rest.split_once('"')).map(|(id, _)| id.to_owned()).collect()
    };
    let mut ids = values(" id=\"");
    for reference in values(" aria-labelledby=\"") {
        assert!(ids.contains(&reference), "{reference}");
    }
    let all = ids.len();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), all);
    seen
}

#[test]
fn the_page_is_well_formed() {
    for report in [fixture::check(), fixture::guard(), fixture::before(), hostile()] {
        well_formed(&render(&report).unwrap());
    }
}

#[test]
fn nothing_that_comes_from_outside_becomes_markup() {
    let html = render(&hostile()).unwrap();
    let tags = well_formed(&html);
    assert!(!tags.iter().any(|tag| tag == "script" || tag == "img" || tag == "a"), "{tags:?}");
    assert!(!html.contains("href=\"javascript:"));
    assert!(html.contains("&#60;script&#62;"));
}

#[test]
fn nothing_is_loaded() {
    for report in [fixture::check(), fixture::guard(), fixture::before()] {
        let html = render(&report).unwrap();
        for word in ["<script", "<link", "<img", "<iframe", "<object", "@import", "url(", "src=", "xlink", "data:"] {
            assert!(!html.contains(word), "{word}");
        }
        let links = html.matches("http://").count() + html.matches("https://").count();
        let runbooks = html.matches("<a href=\"https://runbooks.example/").count();
        assert_eq!(links, 2 * runbooks, "each link is one of a runbook, with its address as its text");
    }
}

#[test]
fn each_bar_has_a_text_and_each_table_a_caption() {
    let html = render(&fixture::guard()).unwrap();
    for bar in html.split("<svg").skip(1) {
        let head = bar.split_once('>').unwrap().0;
        assert!(head.contains("aria-label=\"") || head.contains("aria-hidden=\"true\""), "{head}");
    }
    assert_eq!(html.matches("<table").count(), html.matches("<caption").count());
    assert!(
        html.contains(
            "aria-label=\"estimate 0.95\u{202f}%, interval 0.63\u{202f}% to 1.4\u{202f}%, limit 0.1\u{202f}%\""
        )
    );
}

#[test]
fn what_changed_has_a_chart() {
    let mut report = fixture::guard();
    let html = render(&report).unwrap();
    assert_eq!(html.matches("<div class=\"chart\">").count(), 2);
    let label = "Values of total_cents, of the 9 993 marked rows that were read both times; Median: 0 to 5 000 before, \
                 0 to 5 000 after; NULL: 0 before, 3 after; 20 000 or more: 0 before, 5 after";
    assert!(html.replace('\u{202f}', " ").contains(&format!("role=\"img\" aria-label=\"{label}\"")));
    assert!(html.contains("role=\"img\" aria-label=\"paid: 6\u{202f}400 before, 5\u{202f}988 after\""));
    // of what may not be told there is no shape, and so no chart
    let sources = report.migration.iter_mut().flat_map(|migration| &mut migration.sources);
    for column in sources.flat_map(|source| &mut source.tables).flat_map(|table| &mut table.columns) {
        column.shape = None;
    }
    assert!(!render(&report).unwrap().contains("class=\"chart\""));
}

#[test]
fn a_chart_has_room_for_all_that_is_told() {
    let side = |bins: &[u64]| ShapeSide { bins: bins.to_vec(), below: 4, above: 1, null: 900, ..ShapeSide::default() };
    let shape = |axis, before, after| ColumnShape { axis, rows: 1_000, least: 5, before, after };
    let numbers = || ShapeAxis::Numbers { edges: (0..=20).map(|edge| f64::from(edge) * 0.05).collect() };
    let months = ShapeAxis::Times { edges: vec![1_704_067_200_000_000, 1_706_745_600_000_000] };
    let shapes = [
        shape(numbers(), Some(side(&[5; 20])), Some(side(&[5; 20]))),
        shape(numbers(), None, Some(side(&[5; 20]))),
        shape(months, Some(side(&[95])), None),
        shape(ShapeAxis::Lengths { edges: vec![3, 4, 5] }, Some(side(&[50, 45])), Some(side(&[0, 95]))),
        shape(ShapeAxis::Booleans, Some(side(&[60, 40])), None),
    ];
    for shape in shapes {
        let mut report = fixture::guard();
        report.migration.as_mut().unwrap().sources[0].tables[0].columns[3].shape = Some(shape);
        let html = render(&report).unwrap();
        well_formed(&html);
        let chart = html.split_once("<div class=\"chart\">").unwrap().1.split_once("</div>").unwrap().0;
        let numbers = |name: &str| -> Vec<f64> {
            let attribute = format!(" {name}=\"");
            let values = chart.split(attribute.as_str()).skip(1).map(|rest| rest.split_once('"').unwrap().0);
            values.map(|value| value.trim_end_matches('%').parse().unwrap()).collect()
        };
        for (x, width) in numbers("x").iter().zip(numbers("width").iter().skip(1)) {
            assert!(*x >= 0.0 && x + width <= 100.1, "{chart}");
        }
        assert!(numbers("y").iter().all(|y| (0.0..=121.0).contains(y)), "{chart}");
    }
}

#[test]
fn a_sampled_pass_has_its_bound() {
    let html = render(&fixture::check()).unwrap();
    let passed = html.matches("no failure in 10\u{202f}000 rows").count();
    let bounded = html.matches("no failure in 10\u{202f}000 rows; at most 0.037\u{202f}% can fail").count();
    assert_eq!((passed, bounded), (2, 2));
}

/// The page as a reader without style sheets has it: words only.
fn text(html: &str) -> String {
    let body = html.split_once("<body>").unwrap().1;
    let mut text = String::new();
    for piece in body.split('<') {
        let (tag, words) = piece.split_once('>').unwrap_or(("", piece));
        if tag.starts_with("p")
            || tag.starts_with("h")
            || tag.starts_with("tr")
            || tag.starts_with("li")
            || tag.starts_with("dt")
        {
            text.push('\n');
        }
        let words = words.replace('\u{202f}', " ");
        let words: Vec<&str> = words.split_whitespace().collect();
        if !words.is_empty() {
            if !text.ends_with('\n') {
                text.push(' ');
            }
            text.push_str(&words.join(" "));
        }
    }
    text.lines().filter(|line| !line.trim().is_empty()).collect::<Vec<_>>().join("\n")
}

#[test]
fn a_check_in_words() {
    insta::assert_snapshot!(text(&render(&fixture::check()).unwrap()), @r#"
    Fieldmark check 2026-03-14 09:27:01 UTC
    ✘ 2 of 8 rules failed
    14 000 rows read in 8 s.
    public.orders total_adds_up failed: 27 of 2 843 fail: 0.95 % (0.63 % to 1.4 %)
    public.orders orders.in_set.status inconclusive: no failure in 2 900 rows; at most 0.13 % can fail
    public.orders orders.type_is.payload not evaluated: a column is missing: public.orders has no column `payload`; the nearest is `payload_json`
    8 rules
    2 failed
    1 inconclusive
    1 not evaluated
    4 passed
    To know
    – could not check billing no answer from billing.example:5432 in 5 s
    → Check that the server runs and that its firewall lets this machine in.
    ! finding shop public.customers name invalid_encoding: 3 values hold bytes that are not UTF-8
    → Find out which client writes them, and declare its encoding.
    ! warning 1 rule of severity info failed
    shop public.orders
    about 200 000 rows · sample 10 000 Rules of this table
    Status Rule Failing rows 0 0.01 % 0.1 % 1 % 10 % 100 %
    ✔ passed orders.not_null.customer_id estimate 0 %, interval 0 % to 0.037 %, limit 0.1 %
    0 0.01 % 0.1 % 1 % 10 % 100 %
    no failure in 10 000 rows; at most 0.037 % can fail
    ✔ passed orders.unique.order_no estimate 0 %, interval 0 % to 0.037 %, limit 0.1 %
    0 0.01 % 0.1 % 1 % 10 % 100 %
    no failure in 10 000 rows; at most 0.037 % can fail
    ✘ failed total_adds_up The total is the sum of its parts. estimate 0.95 %, interval 0.63 % to 1.4 %, limit 0.1 %
    0 0.01 % 0.1 % 1 % 10 % 100 %
    27 of 2 843 fail: 0.95 % (0.63 % to 1.4 %)
    Tolerance 0.1 %
    12 unknown: 9 NULL, 3 expression errors
    more than the 19 rows known since 2026-03-01
    Rows id=10241 id=58113 id=91460 id=120077 id=188902
    See them
    SELECT &#34;id&#34; FROM &#34;public&#34;.&#34;orders&#34; WHERE (status &#60;&#62; &#39;draft one&#39;) AND NOT (total_cents = subtotal_cents + tax_cents)
    Owner team-payments (page)
    Runbook https://runbooks.example/orders/total
    ? inconclusive orders.in_set.status estimate 0 %, interval 0 % to 0.13 %, limit 0.1 %
    0 0.01 % 0.1 % 1 % 10 % 100 %
    no failure in 2 900 rows; at most 0.13 % can fail
    Why about 3 688 rows without a failure would tell; the plan ended at 2 900
    – not evaluated orders.type_is.payload
    a column is missing: public.orders has no column `payload`; the nearest is `payload_json`
    ✔ passed orders.fresh.updated_at
    the newest updated_at is 2 min 10 s old; at most 15 min
    shop public.customers
    4 000 rows · all rows read Rules of this table
    Status Rule Failing rows 0 0.01 % 0.1 % 1 % 10 % 100 %
    ✔ passed customers.length.country
    all 4 000 rows pass
    ✘ failed customers.matches.email_address_of_the_person_who_pays_for_all_orders estimate 0.025 %, limit 0 %
    0 0.01 % 0.1 % 1 % 10 % 100 %
    1 of all 4 000 rows fails: 0.025 %
    Rows id=917
    See them
    SELECT &#34;id&#34; FROM &#34;public&#34;.&#34;customers&#34; WHERE NOT (&#34;email&#34; ~ &#39;@&#39;)
    Owner no owner (info)
    Notes
    · note public.audit_log has no key: it was left out of the sample&#39;s known failing rows.
    How to read the bars: the upright stroke is what was seen, the band is its interval of 95 % confidence, the dashed line is what is tolerated or, on a sample, what has to be ruled out. The scale is logarithmic, so that small fractions can be seen.
    This run
    Fieldmark 0.1.0 · check
    Time 2026-03-14 09:26:53 UTC to 2026-03-14 09:27:01 UTC (8 s)
    Seed 7203114559 (tells draws apart; it does not repeat one once rows are written)
    Source shop · PostgreSQL 15.18 · db.example:5432/shop · 2 tables with rules · 14 000 rows read by 61 statements of 1.8 s, about 7 310 blocks touched (by all sessions 9 882)
    Sample shop public.orders · random keys · 10 000 rows
    Sample shop public.customers · all rows · 4 000 rows
    "#);
}

#[test]
fn a_migration_in_words() {
    insta::assert_snapshot!(text(&render(&fixture::guard()).unwrap()), @r#"
    Fieldmark guard 2026-03-14 09:31:45 UTC
    ✘ Broken
    Rows, rules or declared transitions did not survive the migration.
    public.orders: rows vanished, a declared transition does not hold, a rule fails
    2 rules after the migration
    1 failed
    1 passed
    shop public.orders ✘ broken
    200 000 → about 199 873 rows · 10 000 marked · storage was rewritten
    7 of 10 000 marked rows vanished and nothing explains it
    cents_from_total does not hold for 27 of 9 993 rows
    the rule total_adds_up passed before and fails now Of 10 000 marked rows: 0 unchanged, 9 993 changed, 7 vanished: 0.07 % (0.028 % to 0.14 %)
    0 unchanged
    9 993 changed
    7 vanished: 0.07 % (0.028 % to 0.14 %)
    the table&#39;s own counters saw 41 inserted, 200 012 updated, 168 deleted
    For example id=3314 vanished id=9071 vanished
    Columns, before → after Columns of public.orders that changed
    Expected? Column Changed rows 0 0.01 % 0.1 % 1 % 10 % 100 %
    ! surprising status estimate 3.8 %, interval 3.5 % to 4.2 %
    0 0.01 % 0.1 % 1 % 10 % 100 %
    412 of 9 993 rows changed, 30 of them by ordinary writes: 3.8 % (3.5 % to 4.2 %)
    382 values became &#39;new&#39;; 6 would be ordinary in as much time (p &#60; 0.0001)
    paid 6 400 before 5 988 after 6 400 → 5 988
    new 3 593 before 4 005 after 3 593 → 4 005
    before
    after
    Rows by value, of the 9 993 marked rows that were read both times.
    ~ ordinary updated_at
    38 of 9 993 rows changed, explained by ordinary writes
    the rows&#39; own stamps are not the migration&#39;s
    ✔ declared total_cents renamed from total, numeric(10,2) → bigint estimate 100 %, interval 99.963 % to 100 %
    0 0.01 % 0.1 % 1 % 10 % 100 %
    9 993 of 9 993 rows changed: 100 % (99.963 % to 100 %)
    27 values lost precision, 3 became NULL
    renamed: and expect: of the rule file speak of it
    0 to 5 000: 9 993 before 0 to 5 000: 6 120 after 5 000 to 10 000: 2 841 after 10 000 to 15 000: 731 after 15 000 to 20 000: 290 after 20 000 or more: 5 after NULL: 3 after
    0
    5 000
    10 000
    15 000
    20 000
    NULL
    before, above
    after, below
    Median: 0 to 5 000 → 0 to 5 000 · NULL: 0 → 3 · 20 000 or more: 0 → 5
    Values, of the 9 993 marked rows that were read both times. Tallest bar: 9 993 rows. Bins of fewer than 5 rows are left empty (0 before, 3 after).
    ✔ declared currency added, character(3)
    ! surprising coupon_code dropped, was text
    4 120 of 10 000 marked rows had a value in it
    3 other columns: no change in 9 993 rows; a change of 0.037 % would have shown
    Declared transitions What the rule file declares about the same rows before and after
    Status Rule Failing rows 0 0.01 % 0.1 % 1 % 10 % 100 %
    ✔ passed orders.same.customer_id estimate 0 %, interval 0 % to 0.037 %, limit 0.1 %
    0 0.01 % 0.1 % 1 % 10 % 100 %
    no failure in 9 993 rows; at most 0.037 % can fail
    ✘ failed cents_from_total Cents are the old total, rounded. estimate 0.27 %, interval 0.18 % to 0.39 %, limit 0 %
    0 0.01 % 0.1 % 1 % 10 % 100 %
    27 of 9 993 fail: 0.27 % (0.18 % to 0.39 %)
    Rows id=10241 id=58113
    Owner team-payments (page)
    Rules, before → after Rules before and after the migration
    Status Rule Failing rows 0 0.01 % 0.1 % 1 % 10 % 100 %
    before the migration passed, after it ✔ → ✔ passed orders.not_null.customer_id estimate 0 %, interval 0 % to 0.037 %, limit 0.1 %
    0 0.01 % 0.1 % 1 % 10 % 100 %
    no failure in 9 993 rows; at most 0.037 % can fail
    before the migration passed, after it ✔ → ✘ failed total_adds_up The total is the sum of its parts. estimate 0.95 %, interval 0.63 % to 1.4 %, limit 0.1 %
    0 0.01 % 0.1 % 1 % 10 % 100 %
    27 of 2 843 fail: 0.95 % (0.63 % to 1.4 %)
    Tolerance 0.1 %
    12 unknown: 9 NULL, 3 expression errors
    more than the 19 rows known since 2026-03-01
    Before: no failure in 10 000 rows; at most 0.037 % can fail
    Rows id=10241 id=58113 id=91460 id=120077 id=188902
    See them
    SELECT &#34;id&#34; FROM &#34;public&#34;.&#34;orders&#34; WHERE (status &#60;&#62; &#39;draft one&#39;) AND NOT (total_cents = subtotal_cents + tax_cents)
    Owner team-payments (page)
    Runbook https://runbooks.example/orders/total
    shop public.customers ✔ as declared
    was public.clients · 4 000 rows · 4 000 marked Of 4 000 marked rows: 3 988 unchanged, 10 changed, 2 vanished, explained by ordinary deletes or a declaration
    3 988 unchanged
    10 changed
    2 vanished, explained by ordinary deletes or a declaration
    Columns, before → after Columns of public.customers that changed
    Expected? Column Changed rows
    ~ ordinary email
    10 of 3 998 rows changed, explained by ordinary writes
    1 other column: no change in 3 998 rows; a change of 0.037 % would have shown
    Notes
    + new table shop public.order_totals appeared: there are no rows from before to compare
    → lineage shop 1 edge is new: public.order_totals.total &#60;- public.orders.total (aggregation, migration 0042_totals.sql:3)
    · note public.sessions was not marked: marks.max_bytes is reached. Its rows were only counted.
    How to read the bars: the upright stroke is what was seen, the band is its interval of 95 % confidence, the dashed line is what is tolerated or, on a sample, what has to be ruled out. The scale is logarithmic, so that small fractions can be seen.
    This run
    Fieldmark 0.1.0 · guard
    Time 2026-03-14 09:26:53 UTC to 2026-03-14 09:31:45 UTC (4 min 52 s)
    Seed 7203114559 (tells draws apart; it does not repeat one once rows are written)
    Source shop · PostgreSQL 15.18 · db.example:5432/shop · 2 tables with rules · 14 000 rows read by 61 statements of 1.8 s, about 7 310 blocks touched (by all sessions 9 882)
    Sample shop public.orders · random keys · 10 000 rows
    Sample shop public.customers · all rows · 4 000 rows
    Mark shop · shop-20260314T092653Z-6d1f0c · 14 000 rows of 2 tables · 1.4 MiB · /var/lib/fieldmark/marks/shop
    Recapture shop · mark shop-20260314T092653Z-6d1f0c of 2026-03-14 09:26:53 UTC, read again 4 min 12 s later
    Guarded command ended with status 0
    "#);
}
