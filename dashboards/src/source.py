"""One source: can it be read, do its rules pass, what does looking at it cost it?"""

from dashboard import dashboard
from panel import *

scope = Scope('source="$source"')
rules = Scope('source="$source"', 'owner=~"$owner"')

panels = [
    stat(
        "Readable",
        "Whether the last look at the source, or check of it, went well.",
        f"min({scope('source_up')})",
        "none",
        steps((None, PURPLE), (1, GREEN)),
        mappings=mapped({"no": PURPLE, "yes": GREEN}),
        links=[runbook("FieldmarkSourceUnreadable"), page("The source", "/sources/${source:percentencode}")],
    ),
    stat("Rules", "Rules that the source was last checked by.", f"max({scope('source_rules')})"),
    stat(
        "Rules that pass",
        "Share of the rules whose last check passed. What could not be checked has not passed.",
        f"sum({rules('rule_status', status='passed')}) / sum({rules('rule_status')})",
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
        "Age of the mark",
        "How long ago the last mark was taken. A migration that comes now is judged by it.",
        f"time() - max({scope('mark_timestamp_seconds')})",
        "s",
        steps((3600, YELLOW)),
        links=[runbook("FieldmarkMarkOld")],
    ),
    stat(
        "Behind its primary",
        "Where the source is a replica: by how much, as of the last look. 0 where it is none.",
        f"max({scope('source_lag_seconds')} or 0 * {scope('source_up')})",
        "s",
        steps((60, YELLOW)),
    ),
    series(
        "Rules by state",
        "How many rules are in which state.",
        (f"count by (state) ({rules('rule_state')})", "{{state}}"),
        stacked=True,
        overrides=coloured(STATES),
    ),
    series(
        "Rules by what their last check gave",
        "A rule that was not evaluated says nothing of its rows.",
        (f"count by (status) ({rules('rule_status')})", "{{status}}"),
        stacked=True,
        overrides=coloured(STATUSES),
        links=[runbook("FieldmarkRuleBlind")],
    ),
    table(
        "Tables",
        "A table leads to its dashboard.",
        ["source", "schema", "table"],
        {
            "rules": (f"count by (source, schema, table) ({rules('rule_status')})", "short", None),
            "failed": (f"count by (source, schema, table) ({rules('rule_status', status='failed')})", "short", steps((1, RED))),
            "systemic": (f"count by (source, schema, table) ({rules('rule_state', state='systemic')})", "short", steps((1, RED))),
            "not evaluated": (
                f"count by (source, schema, table) ({rules('rule_status', status='not_evaluated')})",
                "short",
                steps((1, PURPLE)),
            ),
            "last checked": (
                f"time() - max by (source, schema, table) ({scope('rule_last_evaluation_timestamp_seconds')})",
                "s",
                steps((3600, YELLOW)),
            ),
        },
        links={
            "table": [
                dashboard_of("table", "source", "schema", "table"),
                page(
                    "In the collector",
                    "/tables/${__data.fields.source:percentencode}/${__data.fields.schema:percentencode}.${__data.fields.table:percentencode}",
                ),
            ]
        },
        sort="systemic",
    ),
    row("What goes on"),
    series(
        "How long work takes",
        "Of 95 in 100: looks at the schema, checks, marks, recaptures.",
        (quantile(0.95, scope("task_duration_seconds_bucket"), "task"), "{{task}}"),
        unit="s",
    ),
    series(
        "Work that failed",
        "Jobs that failed because the source could not be read, by whether waiting may help.",
        (f"sum by (task, reason) {events(scope('source_faults_total'), '$__rate_interval')}", "{{task}}, {{reason}}"),
        bars=True,
        links=[runbook("FieldmarkSourceUnreadable")],
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
        "Findings and schema changes",
        "Changes of the schema that were noticed, and findings by their ids.",
        (f"sum {events(scope('schema_changes_total'), '$__interval')} > 0", "schema changes"),
        (f"sum by (finding) {events(scope('findings_total'), '$__interval')} > 0", "{{finding}}"),
        bars=True,
        interval="1h",
    ),
    row("What it costs the source"),
    series(
        "Time of statements",
        "Share of one of the source's processes that statements of ours take.",
        (f"sum({rate(scope('statement_time_seconds_total'))})", "statements of ours"),
        unit="percentunit",
    ),
    series(
        "What is read",
        "Rows that came from the source, and blocks that were touched there, each second.",
        (f"sum({rate(scope('rows_read_total'))})", "rows"),
        (f"sum({rate(scope('blocks_touched_total'))})", "blocks"),
        unit="cps",
    ),
    series(
        "Statements that gave way",
        "Statements of ours that were ended because somebody waited for what they held, each minute.",
        (f"60 * sum by (reason) ({rate(scope('yields_total'))})", "{{reason}}"),
        unit="opm",
        links=[runbook("FieldmarkInTheWay")],
    ),
    series(
        "Wait that was imposed",
        "Time that others may have waited for statements of ours, at most, in a second; and the longest time between two looks of the watchdog while one ran.",
        (f"sum({rate(scope('imposed_wait_seconds_total'))})", "imposed wait, each second"),
        (f"max({scope('watchdog_lag_seconds')})", "watchdog's lag"),
        unit="s",
        links=[runbook("FieldmarkInTheWay"), runbook("FieldmarkWatchdogLate")],
    ),
    series("Mark", "Rows of the last mark.", (f"max({scope('mark_rows')})", "rows"), unit="short"),
    series("Size of the mark", "On the agent's disk.", (f"max({scope('mark_size_bytes')})", "size"), unit="bytes"),
]

DASHBOARD = dashboard(
    "source", "Source", __doc__, panels, ["source", "owner"], scope, "/sources/${source:percentencode}", single=["source"]
)
