"""Delivery measures: how often migrations come, how often they fail, how fast that is noticed and repaired."""

from dashboard import dashboard
from panel import *

scope = Scope('source=~"$source"')
rules = Scope('source=~"$source"', 'owner=~"$owner"')
FAILED = 'verdict=~"broken|restored_with_loss|surprising"'
LONG = steps((900, YELLOW), (3600, RED))

panels = [
    stat(
        "Migrations a week",
        "Migrations that are over, by the week, in the time that is shown.",
        f"sum(increase({scope('migrations_total')}[$__range])) * 604800 / $__range_s",
        "none",
        steps((None, BLUE)),
        defaults={"decimals": 1},
    ),
    stat(
        "Share that failed",
        "Broken, surprising or restored with loss, of all that were judged.",
        f"sum(increase({scope('migrations_total', FAILED)}[$__range])) / sum(increase({scope('migrations_total', verdict='!~inconclusive|not_comparable|not_judged')}[$__range]))",
        "percentunit",
        steps((0.05, YELLOW), (0.15, RED)),
        links=[runbook("FieldmarkMigrationBroken")],
    ),
    stat(
        "Duration",
        "The median, from a migration's beginning to its end.",
        quantile_of_all(0.5, scope("migration_duration_seconds_bucket")),
        "s",
        steps((None, BLUE)),
    ),
    stat(
        "Time to detect",
        "The median, from when what an incident is about began to when it was opened.",
        quantile_of_all(0.5, scope("incident_time_to_detect_seconds_bucket")),
        "s",
        LONG,
    ),
    stat(
        "Time to restore",
        "The median, from an incident's opening to when all of it was well again.",
        quantile_of_all(0.5, scope("incident_time_to_restore_seconds_bucket")),
        "s",
        LONG,
    ),
    stat(
        "Quality",
        "Share of the rules that pass, weighted by what they matter: page 4, ticket 2, info 1. Made by a recording rule.",
        f"avg({rules('source_owner:fieldmark_rule_passed:weighted_ratio')})",
        "percentunit",
        PASSING,
    ),
    series(
        "Migrations",
        "By what they did.",
        (f"sum by (verdict) (increase({scope('migrations_total')}[$__interval])) > 0", "{{verdict}}"),
        bars=True,
        interval="1d",
        overrides=coloured(VERDICTS),
        links=[page("Migrations", "/migrations")],
    ),
    series(
        "Quality by owner",
        "Share of the rules that pass, weighted by what they matter.",
        (f"avg by (owner) ({rules('source_owner:fieldmark_rule_passed:weighted_ratio')})", "{{owner}}"),
        unit="percentunit",
    ),
    series(
        "Time to detect",
        "The median and nine in ten, of all in the time before, by severity.",
        (quantile_of_all(0.5, scope("incident_time_to_detect_seconds_bucket"), "severity"), "{{severity}}, median"),
        (quantile_of_all(0.9, scope("incident_time_to_detect_seconds_bucket"), "severity"), "{{severity}}, nine in ten"),
        unit="s",
    ),
    series(
        "Time to restore",
        "The median and nine in ten, of all in the time before, by severity.",
        (quantile_of_all(0.5, scope("incident_time_to_restore_seconds_bucket"), "severity"), "{{severity}}, median"),
        (quantile_of_all(0.9, scope("incident_time_to_restore_seconds_bucket"), "severity"), "{{severity}}, nine in ten"),
        unit="s",
    ),
]

DASHBOARD = dashboard("delivery", "Delivery measures", __doc__, panels, ["source", "owner"], scope, "/migrations", since="now-30d")
