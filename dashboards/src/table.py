"""One table: its rules, and how much of it fails them."""

from dashboard import dashboard
from panel import *

scope = Scope('source="$source"', 'schema="$schema"', 'table="$table"')
of = Scope('source="$source"')
BY = "source, schema, table, rule"

panels = [
    stat("Rules", "Rules on this table.", f"count({scope('rule_status')})"),
    stat(
        "Failed", "Rules whose last check failed.", or_none(f"count({scope('rule_status', status='failed')})"), thresholds=steps((1, RED))
    ),
    stat(
        "Systemic",
        "Rules that fail and will not heal by themselves.",
        or_none(f"count({scope('rule_state', state='systemic')})"),
        thresholds=steps((1, RED)),
        links=[runbook("FieldmarkRuleSystemic")],
    ),
    stat(
        "Not evaluated",
        "Rules that could not be checked the last time.",
        or_none(f"count({scope('rule_status', status='not_evaluated')})"),
        thresholds=steps((1, PURPLE)),
        links=[runbook("FieldmarkRuleBlind")],
    ),
    stat(
        "Last checked",
        "How long ago a rule on this table was last evaluated.",
        f"time() - max({scope('rule_last_evaluation_timestamp_seconds')})",
        "s",
        steps((3600, YELLOW)),
        links=[runbook("FieldmarkRuleBlind")],
    ),
    stat("Sample", "Rows of the last samples that rules were asked about: the largest.", f"max({scope('rule_sample')})"),
    table(
        "Rules",
        "What each rule's last check gave. The fraction that fails lies between `at least` and `at most` (95 %). A rule leads to its dashboard.",
        ["source", "schema", "table", "rule", "owner", "severity", "status"],
        {
            "of it": (f"max by ({BY}, owner, severity, status) ({scope('rule_status')})", None, None),
            "failing": (f"max by ({BY}) ({scope('rule_failing_ratio')})", "percentunit", None),
            "at least": (f"min by ({BY}) ({scope('rule_failing_lower_ratio')})", "percentunit", None),
            "at most": (f"max by ({BY}) ({scope('rule_failing_upper_ratio')})", "percentunit", None),
            "allowed": (f"max by ({BY}) ({scope('rule_tolerance_ratio')})", "percentunit", None),
            "rows": (f"max by ({BY}) ({scope('rule_sample')})", "short", None),
            "checked": (f"time() - max by ({BY}) ({scope('rule_last_evaluation_timestamp_seconds')})", "s", steps((3600, YELLOW))),
        },
        words={"severity": SEVERITIES, "status": STATUSES},
        links={"rule": [dashboard_of("rule", "source", "schema", "table", "rule")]},
    ),
    timeline(
        "States",
        "The state of each rule's rows on this table.",
        number_of(lambda state: scope("rule_state", f'state="{state}"'), STATES, "rule"),
        "{{rule}}",
        mapped(STATES),
        height=8,
        links=[
            runbook("FieldmarkRuleSystemic"),
            page("The table", "/tables/${source:percentencode}/${schema:percentencode}.${table:percentencode}"),
        ],
    ),
    row("Failing fractions, each with its interval"),
    band(
        "$rule",
        "Fraction of the table's rows that fail the rule: the estimate, and the band in which the fraction lies (95 %). The dashed line is what the rule allows.",
        scope,
        'rule="$rule"',
        width=12,
        repeat="rule",
        repeatDirection="h",
        maxPerRow=2,
        links=[
            dashboard_of("rule", "source", "schema", "table")
            | {
                "title": "The rule",
                "url": "/d/fieldmark-rule?${datasource:queryparam}&${__url_time_range}&${source:queryparam}&${schema:queryparam}&${table:queryparam}&${rule:queryparam}",
            }
        ],
    ),
    row("Rows"),
    series(
        "What rules measured",
        "Of kinds that measure: `row_count` rows, `fresh` the lag in seconds, `distribution` its statistic.",
        (f"max by (rule) ({scope('rule_value')})", "{{rule}}"),
    ),
    series("Samples", "Rows of the last sample that each rule was asked about.", (f"max by (rule) ({scope('rule_sample')})", "{{rule}}")),
    series(
        "Rows checked",
        "Rows of samples that rules were asked about, each second.",
        (f"sum by (rule) ({rate(scope('rows_checked_total'))})", "{{rule}}"),
        unit="cps",
    ),
    series(
        "Rows that failed, and unknown ones",
        "Rows of samples that failed a rule, and rows for which it is neither true nor false, each second.",
        (f"sum by (rule) ({rate(scope('rows_failed_total'))})", "{{rule}} failed"),
        (f"sum by (rule) ({rate(scope('rows_unknown_total'))})", "{{rule}} unknown"),
        unit="cps",
    ),
]

DASHBOARD = dashboard(
    "table",
    "Table",
    __doc__,
    panels,
    ["source", "schema", "table", "rule"],
    of,
    "/tables/${source:percentencode}/${schema:percentencode}.${table:percentencode}",
    single=["source", "schema", "table"],
)
