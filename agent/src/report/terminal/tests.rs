use super::*;
use crate::report::fixture;

fn plain(width: usize) -> Look {
    Look { width, color: false, html: Some("report.html".into()) }
}

#[test]
fn a_check_at_100_columns() {
    insta::assert_snapshot!(render(&fixture::check(), &plain(100)), @r#"
    shop public.orders · about 200 000 rows · sample 10 000
      ✔ passed         orders.not_null.customer_id  no failure in 10 000 rows; at most 0.037 % can fail
      ✔ passed         orders.unique.order_no       no failure in 10 000 rows; at most 0.037 % can fail
      ✘ failed         total_adds_up                27 of 2 843 fail: 0.95 % (0.63 % to 1.4 %);
                                                    tolerance 0.1 %; 12 unknown: 9 NULL, 3 expression
                                                    errors; more than the 19 rows known since 2026-03-01
          rule  The total is the sum of its parts.
          rows  id=10241 · id=58113 · id=91460 · id=120077 · id=188902
          owner team-payments (page)
          read  https://runbooks.example/orders/total
          sql   SELECT "id" FROM "public"."orders" WHERE (status <> 'draft  one') AND NOT (total_cents =
                subtotal_cents + tax_cents)
      ? inconclusive   orders.in_set.status         no failure in 2 900 rows; at most 0.13 % can fail
          why   about 3 688 rows without a failure would tell; the plan ended at 2 900
      – not evaluated  orders.type_is.payload       a column is missing: public.orders has no column
                                                    `payload`; the nearest is `payload_json`
      ✔ passed         orders.fresh.updated_at      the newest updated_at is 2 min 10 s old; at most 15
                                                    min

    shop public.customers · 4 000 rows · all rows read
      ✔ passed  customers.length.country  all 4 000 rows pass
      ✘ failed  customers.matches.email_address_of_the_person_who_pays_for_all_orders
                                          1 of all 4 000 rows fails: 0.025 %
          rows  id=917
          owner no owner (info)
          sql   SELECT "id" FROM "public"."customers" WHERE NOT ("email" ~ '@')

    Findings
      ! invalid_encoding shop public.customers name: 3 values hold bytes that are not UTF-8
        → Find out which client writes them, and declare its encoding.

    – could not check billing · no answer from billing.example:5432 in 5 s
      → Check that the server runs and that its firewall lets this machine in.
    ! warning: 1 rule of severity info failed
    · public.audit_log has no key: it was left out of the sample's known failing rows.

    8 rules: 2 failed, 1 inconclusive, 1 not evaluated, 4 passed
    14 000 rows read in 8 s · seed 7203114559 · intervals of 95 % confidence
    shop: 61 statements of 1.8 s, about 7 310 blocks touched (by all sessions 9 882)
    exit code 1: 1 rule failed; 1 rule inconclusive; 1 rule not evaluated; billing: no answer from
      billing.example:5432 in 5 s
    HTML report: report.html
    "#);
}

#[test]
fn a_check_at_60_columns() {
    insta::assert_snapshot!(render(&fixture::check(), &plain(60)), @r#"
    shop public.orders · about 200 000 rows · sample 10 000
      ✔ passed  orders.not_null.customer_id
          no failure in 10 000 rows; at most 0.037 % can fail
      ✔ passed  orders.unique.order_no
          no failure in 10 000 rows; at most 0.037 % can fail
      ✘ failed  total_adds_up
          27 of 2 843 fail: 0.95 % (0.63 % to 1.4 %); tolerance
          0.1 %; 12 unknown: 9 NULL, 3 expression errors; more
          than the 19 rows known since 2026-03-01
          rule  The total is the sum of its parts.
          rows  id=10241 · id=58113 · id=91460 · id=120077 ·
                id=188902
          owner team-payments (page)
          read  https://runbooks.example/orders/total
          sql   SELECT "id" FROM "public"."orders" WHERE (status
                <> 'draft  one') AND NOT (total_cents =
                subtotal_cents + tax_cents)
      ? inconclusive  orders.in_set.status
          no failure in 2 900 rows; at most 0.13 % can fail
          why   about 3 688 rows without a failure would tell;
                the plan ended at 2 900
      – not evaluated  orders.type_is.payload
          a column is missing: public.orders has no column
          `payload`; the nearest is `payload_json`
      ✔ passed  orders.fresh.updated_at
          the newest updated_at is 2 min 10 s old; at most 15
          min

    shop public.customers · 4 000 rows · all rows read
      ✔ passed  customers.length.country
          all 4 000 rows pass
      ✘ failed  customers.matches.email_address_of_the_person_wh
          o_pays_for_all_orders
          1 of all 4 000 rows fails: 0.025 %
          rows  id=917
          owner no owner (info)
          sql   SELECT "id" FROM "public"."customers" WHERE NOT
                ("email" ~ '@')

    Findings
      ! invalid_encoding shop public.customers name: 3 values
        hold bytes that are not UTF-8
        → Find out which client writes them, and declare its
          encoding.

    – could not check billing · no answer from
      billing.example:5432 in 5 s
      → Check that the server runs and that its firewall lets
        this machine in.
    ! warning: 1 rule of severity info failed
    · public.audit_log has no key: it was left out of the
      sample's known failing rows.

    8 rules: 2 failed, 1 inconclusive, 1 not evaluated, 4 passed
    14 000 rows read in 8 s · seed 7203114559 · intervals of
      95 % confidence
    shop: 61 statements of 1.8 s, about 7 310 blocks touched (by
      all sessions 9 882)
    exit code 1: 1 rule failed; 1 rule inconclusive; 1 rule not
      evaluated; billing: no answer from billing.example:5432 in
      5 s
    HTML report: report.html
    "#);
}

#[test]
fn a_migration_at_100_columns() {
    insta::assert_snapshot!(render(&fixture::guard(), &plain(100)), @r#"
    ✘ BROKEN · Rows, rules or declared transitions did not survive the migration.
      the guarded command ended well
      • public.orders: rows vanished, a declared transition does not hold, a rule fails
      shop: mark shop-20260314T092653Z-6d1f0c of 2026-03-14 09:26:53 UTC, 4 min 12 s before the
        recapture

    shop public.orders · 200 000 → about 199 873 rows · 10 000 marked · ✘ broken
      • 7 of 10 000 marked rows vanished and nothing explains it
      • cents_from_total does not hold for 27 of 9 993 rows
      • the rule total_adds_up passed before and fails now
      rows  0 unchanged, 9 993 changed, 7 vanished: 0.07 % (0.028 % to 0.14 %)
            the table's own counters saw 41 inserted, 200 012 updated, 168 deleted; storage was
            rewritten
      e.g.  id=3314 vanished · id=9071 vanished
      columns
        ! surprising  status       412 of 9 993 rows changed, 30 of them by ordinary writes: 3.8 %
                                   (3.5 % to 4.2 %)
            why   382 values became 'new'; 6 would be ordinary in as much time (p < 0.0001)
        ~ ordinary    updated_at   38 of 9 993 rows changed, explained by ordinary writes
            why   the rows' own stamps are not the migration's
        ✔ declared    total_cents  renamed from total, numeric(10,2) → bigint; 9 993 of 9 993 rows
                                   changed: 100 % (99.963 % to 100 %); 27 values lost precision, 3
                                   became NULL
            why   renamed: and expect: of the rule file speak of it
        ✔ declared    currency     added, character(3)
        ! surprising  coupon_code  dropped, was text
            why   4 120 of 10 000 marked rows had a value in it
        = 3 other columns: no change in 9 993 rows; a change of 0.037 % would have shown
      declared transitions
        ✔ passed  orders.same.customer_id  no failure in 9 993 rows; at most 0.037 % can fail
        ✘ failed  cents_from_total         27 of 9 993 fail: 0.27 % (0.18 % to 0.39 %)
            rule  Cents are the old total, rounded.
            rows  id=10241 · id=58113
            owner team-payments (page)
      rules before → after
        ✔ → ✔ passed  orders.not_null.customer_id  no failure in 9 993 rows; at most 0.037 % can fail
        ✔ → ✘ failed  total_adds_up                27 of 2 843 fail: 0.95 % (0.63 % to 1.4 %); tolerance
                                                   0.1 %; 12 unknown: 9 NULL, 3 expression errors; more
                                                   than the 19 rows known since 2026-03-01; before: no
                                                   failure in 10 000 rows; at most 0.037 % can fail
            rule  The total is the sum of its parts.
            rows  id=10241 · id=58113 · id=91460 · id=120077 · id=188902
            owner team-payments (page)
            read  https://runbooks.example/orders/total
            sql   SELECT "id" FROM "public"."orders" WHERE (status <> 'draft  one') AND NOT (total_cents
                  = subtotal_cents + tax_cents)

    shop public.customers (was public.clients) · 4 000 rows · 4 000 marked · ✔ as declared
      rows  3 988 unchanged, 10 changed, 2 vanished, explained by ordinary deletes or a declaration
      columns
        ~ ordinary  email  10 of 3 998 rows changed, explained by ordinary writes
        = 1 other column: no change in 3 998 rows; a change of 0.037 % would have shown

    shop 1 table appeared: public.order_totals

    shop lineage: 1 edge is new: public.order_totals.total <- public.orders.total (aggregation,
      migration 0042_totals.sql:3)

    · public.sessions was not marked: marks.max_bytes is reached. Its rows were only counted.

    2 rules: 1 failed, 1 passed
    14 000 rows read in 4 min 52 s · seed 7203114559 · intervals of 95 % confidence
    shop: 61 statements of 1.8 s, about 7 310 blocks touched (by all sessions 9 882)
    exit code 1: 1 rule failed; the migration is broken; public.orders: 2 columns changed that nobody
      declared
    HTML report: report.html
    "#);
}

#[test]
fn a_migration_at_60_columns() {
    insta::assert_snapshot!(render(&fixture::guard(), &plain(60)), @r#"
    ✘ BROKEN · Rows, rules or declared transitions did not
      survive the migration.
      the guarded command ended well
      • public.orders: rows vanished, a declared transition does
        not hold, a rule fails
      shop: mark shop-20260314T092653Z-6d1f0c of 2026-03-14
        09:26:53 UTC, 4 min 12 s before the recapture

    shop public.orders · 200 000 → about 199 873 rows · 10 000
      marked · ✘ broken
      • 7 of 10 000 marked rows vanished and nothing explains it
      • cents_from_total does not hold for 27 of 9 993 rows
      • the rule total_adds_up passed before and fails now
      rows  0 unchanged, 9 993 changed, 7 vanished: 0.07 %
            (0.028 % to 0.14 %)
            the table's own counters saw 41 inserted, 200 012
            updated, 168 deleted; storage was rewritten
      e.g.  id=3314 vanished · id=9071 vanished
      columns
        ! surprising  status  412 of 9 993 rows changed, 30 of
                              them by ordinary writes: 3.8 %
                              (3.5 % to 4.2 %)
            why   382 values became 'new'; 6 would be ordinary
                  in as much time (p < 0.0001)
        ~ ordinary    updated_at
                              38 of 9 993 rows changed,
                              explained by ordinary writes
            why   the rows' own stamps are not the migration's
        ✔ declared    total_cents
                              renamed from total, numeric(10,2)
                              → bigint; 9 993 of 9 993 rows
                              changed: 100 % (99.963 % to
                              100 %); 27 values lost precision,
                              3 became NULL
            why   renamed: and expect: of the rule file speak of
                  it
        ✔ declared    currency
                              added, character(3)
        ! surprising  coupon_code
                              dropped, was text
            why   4 120 of 10 000 marked rows had a value in it
        = 3 other columns: no change in 9 993 rows; a change of
          0.037 % would have shown
      declared transitions
        ✔ passed  orders.same.customer_id
            no failure in 9 993 rows; at most 0.037 % can fail
        ✘ failed  cents_from_total
            27 of 9 993 fail: 0.27 % (0.18 % to 0.39 %)
            rule  Cents are the old total, rounded.
            rows  id=10241 · id=58113
            owner team-payments (page)
      rules before → after
        ✔ → ✔ passed  orders.not_null.customer_id
            no failure in 9 993 rows; at most 0.037 % can fail
        ✔ → ✘ failed  total_adds_up
            27 of 2 843 fail: 0.95 % (0.63 % to 1.4 %);
            tolerance 0.1 %; 12 unknown: 9 NULL, 3 expression
            errors; more than the 19 rows known since
            2026-03-01; before: no failure in 10 000 rows; at
            most 0.037 % can fail
            rule  The total is the sum of its parts.
            rows  id=10241 · id=58113 · id=91460 · id=120077 ·
                  id=188902
            owner team-payments (page)
            read  https://runbooks.example/orders/total
            sql   SELECT "id" FROM "public"."orders" WHERE
                  (status <> 'draft  one') AND NOT (total_cents
                  = subtotal_cents + tax_cents)

    shop public.customers (was public.clients) · 4 000 rows ·
      4 000 marked · ✔ as declared
      rows  3 988 unchanged, 10 changed, 2 vanished, explained
            by ordinary deletes or a declaration
      columns
        ~ ordinary  email  10 of 3 998 rows changed, explained
                           by ordinary writes
        = 1 other column: no change in 3 998 rows; a change of
          0.037 % would have shown

    shop 1 table appeared: public.order_totals

    shop lineage: 1 edge is new: public.order_totals.total <-
      public.orders.total (aggregation, migration
      0042_totals.sql:3)

    · public.sessions was not marked: marks.max_bytes is
      reached. Its rows were only counted.

    2 rules: 1 failed, 1 passed
    14 000 rows read in 4 min 52 s · seed 7203114559 · intervals
      of 95 % confidence
    shop: 61 statements of 1.8 s, about 7 310 blocks touched (by
      all sessions 9 882)
    exit code 1: 1 rule failed; the migration is broken;
      public.orders: 2 columns changed that nobody declared
    HTML report: report.html
    "#);
}

#[test]
fn a_mark_at_100_columns() {
    insta::assert_snapshot!(render(&fixture::before(), &plain(100)), @r#"
    marked shop · 14 000 rows of 2 tables · 1.4 MiB · 2026-03-14 09:26:53 UTC
      mark  shop-20260314T092653Z-6d1f0c
      in    /var/lib/fieldmark/marks/shop
      next  run the migration, then `fieldmark after`

    shop public.orders · about 200 000 rows · sample 10 000
      ✔ passed  orders.not_null.customer_id  no failure in 9 993 rows; at most 0.037 % can fail

    1 rule: 1 passed
    14 000 rows read in 4 min 52 s · seed 7203114559 · intervals of 95 % confidence
    shop: 61 statements of 1.8 s, about 7 310 blocks touched (by all sessions 9 882)
    HTML report: report.html
    "#);
}

#[test]
fn no_line_is_wider_than_the_page() {
    for report in [fixture::check(), fixture::guard(), fixture::before()] {
        for width in [40, 60, 80, 100, 120] {
            for line in render(&report, &plain(width)).lines().filter(|line| !line.contains("sql")) {
                assert!(columns(line) <= width, "{width}: {line}");
            }
        }
    }
}

#[test]
fn ids_are_never_cut() {
    for width in [20, 40, 60, 80, 100, 120] {
        let text: String = render(&fixture::check(), &plain(width)).split_whitespace().collect();
        for outcome in fixture::check().outcomes {
            assert!(text.contains(outcome.rule.as_str()), "{width}: {}", outcome.rule);
        }
    }
}

#[test]
fn a_sampled_pass_has_its_bound_at_any_width() {
    for width in [40, 60, 80, 100] {
        let text = render(&fixture::check(), &plain(width));
        let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
        assert_eq!(text.matches("no failure in 10 000 rows; at most 0.037 % can fail").count(), 2, "{text}");
    }
}

#[test]
fn colours_change_nothing_but_colours() {
    for report in [fixture::check(), fixture::guard(), fixture::before()] {
        let colored = render(&report, &Look { color: true, ..plain(80) });
        let mut stripped = String::new();
        let mut rest = colored.as_str();
        while let Some((text, escape)) = rest.split_once("\u{1b}[") {
            stripped.push_str(text);
            rest = escape.split_once('m').unwrap().1;
        }
        stripped.push_str(rest);
        assert_ne!(colored, stripped);
        assert_eq!(stripped, render(&report, &plain(80)));
    }
}

#[test]
fn sql_breaks_only_between_its_words() {
    assert_eq!(
        sql_words("SELECT \"a b\"  FROM t\nWHERE x = 'it''s  so'"),
        ["SELECT", "\"a b\"", "FROM", "t", "WHERE", "x", "=", "'it''s  so'"]
    );
}

#[test]
fn what_is_no_terminal_has_neither_colours_nor_a_width() {
    let file = tempfile::tempfile().unwrap();
    assert_eq!(Look::of(&file, false), Look { width: DEFAULT_WIDTH, color: false, html: None });
}
