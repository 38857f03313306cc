"""One rule on one table: what it gave, how sure that is, since when."""

from dashboard import dashboard
from panel import *

scope = Scope('source="$source"', 'schema="$schema"', 'table="$table"', 'rule="$rule"')
of = Scope('source="$source"')

panels = [
    stat(
        "Failing",
        "Estimated fraction of the table's rows that fail the rule.",
        f"max({scope('rule_failing_ratio')})",
        "percentunit",
        steps((1e-9, RED)),
    ),
    stat("At least", "Lower end of the interval (95 %).", f"min({scope('rule_failing_lower_ratio')})", "percentunit", steps((1e-9, RED))),
    stat(
        "At most",
        "Upper end of the interval (95 %). That no row of a sample failed does not say that no row fails.",
        f"max({scope('rule_failing_upper_ratio')})",
        "percentunit",
        steps((None, BLUE)),
    ),
    stat(
        "Allowed",
        "Fraction of failing rows that the rule allows.",
        f"max({scope('rule_tolerance_ratio')})",
        "percentunit",
        steps((None, BLUE)),
    ),
    stat(
        "Sample", "Rows of the last sample that the rule was asked about.", f"max({scope('rule_sample')})", thresholds=steps((None, BLUE))
    ),
    stat(
        "Last evaluated",
        "How long ago. It falls behind while the rule is blind.",
        f"time() - max({scope('rule_last_evaluation_timestamp_seconds')})",
        "s",
        steps((3600, YELLOW)),
        links=[runbook("FieldmarkRuleBlind")],
    ),
    band(
        "Failing fraction with its interval",
        "The estimate, and the band in which the fraction lies (95 %). The dashed line is what the rule allows.",
        scope,
        width=24,
        height=10,
        links=[runbook("FieldmarkRuleSystemic")],
    ),
    timeline(
        "State",
        "The state of the rule's rows. One that cannot be checked stays as it was.",
        number_of(lambda state: scope("rule_state", f'state="{state}"'), STATES, "rule"),
        "state",
        mapped(STATES),
        width=12,
        height=5,
        links=[runbook("FieldmarkRuleSystemic"), runbook("FieldmarkRuleFlapping")],
    ),
    timeline(
        "Last check",
        "What the last check gave.",
        number_of(lambda status: scope("rule_status", f'status="{status}"'), STATUSES, "rule"),
        "check",
        mapped(STATUSES),
        width=12,
        height=5,
        links=[runbook("FieldmarkRuleBlind")],
    ),
    series(
        "Checks",
        "Checks in a minute, by what they gave.",
        (f"60 * sum by (status) ({rate(scope('rule_evaluations_total'))})", "{{status}}"),
        unit="opm",
        stacked=True,
        overrides=coloured(STATUSES),
    ),
    series(
        "Checks that were not made",
        "By why. Nothing is drawn where all were made.",
        (f"sum by (reason) {events(scope('rule_not_evaluated_total'), '$__interval')} > 0", "{{reason}}"),
        bars=True,
        interval="1h",
        links=[runbook("FieldmarkRuleBlind")],
    ),
    series(
        "Rows",
        "Rows of samples each second: those that the rule was asked about, that failed it, and for which it is neither true nor false.",
        (f"sum({rate(scope('rows_checked_total'))})", "checked"),
        (f"sum({rate(scope('rows_failed_total'))})", "failed"),
        (f"sum({rate(scope('rows_unknown_total'))})", "unknown"),
        unit="cps",
    ),
    series("Sample", "Rows of the sample that the rule was asked about.", (f"max({scope('rule_sample')})", "rows")),
    series(
        "Design effect",
        "By how many rows of the sample one independent row is worth as much: 1 where rows were drawn one by one, more where blocks were.",
        (f"max({scope('rule_design_effect')})", "design effect"),
        unit="none",
        least=1,
    ),
]

DASHBOARD = dashboard(
    "rule",
    "Rule",
    __doc__,
    panels,
    ["source", "schema", "table", "rule"],
    of,
    "/tables/${source:percentencode}/${schema:percentencode}.${table:percentencode}",
    single=["source", "schema", "table", "rule"],
)
