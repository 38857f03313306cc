"""Where is it bad, since when, whose is it?"""

from dashboard import dashboard
from panel import *

rules = Scope('source=~"$source"', 'owner=~"$owner"')
of = Scope('source=~"$source"')
COUNT = "count by (source) ({})"

panels = [
    stat(
        "Sources that can be read",
        "Share of the sources of which the last look or check went well.",
        f"avg({of('source_up')})",
        "percentunit",
        steps((None, PURPLE), (1, GREEN)),
        links=[runbook("FieldmarkSourceUnreadable")],
    ),
    stat(
        "Rules that pass",
        "Share of the rules whose last check passed. What could not be checked has not passed.",
        f"sum({rules('rule_status', status='passed')}) / sum({rules('rule_status')})",
        "percentunit",
        PASSING,
    ),
    stat(
        "Quality",
        "Share of the rules that pass, weighted by what they matter: one of severity page counts as four, ticket as two, info as one. Made by a recording rule.",
        f"avg({rules('source_owner:fieldmark_rule_passed:weighted_ratio')})",
        "percentunit",
        PASSING,
    ),
    stat(
        "Systemic",
        "Rules that fail and will not heal by themselves.",
        or_none(f"count({rules('rule_state', state='systemic')})"),
        thresholds=steps((1, RED)),
        links=[runbook("FieldmarkRuleSystemic")],
    ),
    stat(
        "Not evaluated",
        "Rules that could not be checked the last time. That is nothing about their rows.",
        or_none(f"count({rules('rule_status', status='not_evaluated')})"),
        thresholds=steps((1, PURPLE)),
        links=[runbook("FieldmarkRuleBlind")],
    ),
    stat(
        "Incidents",
        "Incidents that are open, of every class and severity.",
        or_none(f"sum({of('incidents_open')})"),
        thresholds=steps((1, RED)),
        links=[runbook("FieldmarkIncidentOpen"), page("Incidents", "/incidents")],
    ),
    series(
        "Rules by state",
        "How many rules are in which state. Suspect ones are looked at again within seconds; transient ones have healed by themselves.",
        (f"count by (state) ({rules('rule_state')})", "{{state}}"),
        stacked=True,
        overrides=coloured(STATES),
        links=[page("The fleet", "/fleet")],
    ),
    series(
        "Open incidents",
        "By class and severity. Nothing is drawn while none is open.",
        (f"sum by (class, severity) ({of('incidents_open')})", "{{class}}, {{severity}}"),
        stacked=True,
        links=[page("Incidents", "/incidents"), runbook("FieldmarkIncidentOpen")],
    ),
    timeline(
        "Sources",
        "Whether each source could be read.",
        f"min by (source) ({of('source_up')})",
        "{{source}}",
        mapped({"cannot be read": PURPLE, "readable": GREEN}),
        links=[runbook("FieldmarkSourceUnreadable")],
    ),
    table(
        "Sources",
        "A source leads to its dashboard.",
        ["source"],
        {
            "rules": (f"max by (source) ({of('source_rules')})", "short", None),
            "pass": (
                f"sum by (source) ({rules('rule_status', status='passed')}) / sum by (source) ({rules('rule_status')})",
                "percentunit",
                PASSING,
            ),
            "systemic": (COUNT.format(rules("rule_state", 'state="systemic"')), "short", steps((1, RED))),
            "not evaluated": (COUNT.format(rules("rule_status", 'status="not_evaluated"')), "short", steps((1, PURPLE))),
            "mark's age": (f"time() - max by (source) ({of('mark_timestamp_seconds')})", "s", steps((3600, YELLOW))),
            "migration open": (f"max by (source) ({of('migration_open')})", "bool_yes_no", None),
        },
        width=12,
        links={"source": [dashboard_of("source", "source"), page("In the collector", "/sources/${__data.fields.source:percentencode}")]},
        sort="systemic",
    ),
    table(
        "Rules that are not well",
        "Suspect, systemic and flapping rules. A rule leads to its dashboard.",
        ["source", "schema", "table", "rule", "owner", "severity", "state"],
        {
            "at least": (
                f"min by (source, schema, table, rule) ({of('rule_failing_lower_ratio')}) and on (source, schema, table, rule) {rules('rule_state', state='~suspect|systemic|flapping')}",
                "percentunit",
                None,
            ),
            "state of it": (
                f"max by (source, schema, table, rule, owner, severity, state) ({rules('rule_state', state='~suspect|systemic|flapping')})",
                None,
                None,
            ),
        },
        width=12,
        words={"state": STATES, "severity": SEVERITIES},
        links={
            "rule": [dashboard_of("rule", "source", "schema", "table", "rule")],
            "table": [
                dashboard_of("table", "source", "schema", "table"),
                page(
                    "In the collector",
                    "/tables/${__data.fields.source:percentencode}/${__data.fields.schema:percentencode}.${__data.fields.table:percentencode}",
                ),
            ],
        },
    ),
    table(
        "Owners",
        "What each owner's rules gave the last time.",
        ["owner"],
        {
            "rules": (f"count by (owner) ({rules('rule_status')})", "short", None),
            "pass": (
                f"sum by (owner) ({rules('rule_status', status='passed')}) / sum by (owner) ({rules('rule_status')})",
                "percentunit",
                PASSING,
            ),
            "systemic": (f"count by (owner) ({rules('rule_state', state='systemic')})", "short", steps((1, RED))),
        },
        width=12,
        height=8,
        sort="systemic",
    ),
    series(
        "Migrations",
        "What migrations were found to have done.",
        (f"sum by (verdict) (increase({of('migrations_total')}[$__interval])) > 0", "{{verdict}}"),
        bars=True,
        interval="1h",
        overrides=coloured(VERDICTS),
        links=[page("Migrations", "/migrations"), runbook("FieldmarkMigrationBroken")],
    ),
]

DASHBOARD = dashboard("fleet", "Fleet", __doc__, panels, ["source", "owner"], of, "/fleet")
