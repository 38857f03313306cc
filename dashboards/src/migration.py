"""Migrations: what is going on, what they did, how fast that was known."""

from dashboard import dashboard
from panel import *

scope = Scope('source=~"$source"')
BAD = 'verdict=~"broken|restored_with_loss|surprising"'
NOTHING = 'verdict=~"inconclusive|not_comparable|not_judged"'

panels = [
    stat(
        "Open now",
        "Migrations that are open or not judged yet.",
        f"sum({scope('migration_open')})",
        thresholds=steps((None, GREY), (1, BLUE)),
        links=[page("Migrations", "/migrations")],
    ),
    stat(
        "Migrations",
        "Migrations that are over, in the time that is shown.",
        f"round(sum(increase({scope('migrations_total')}[$__range])))",
        thresholds=steps((None, BLUE)),
    ),
    stat(
        "Broken or surprising",
        "Those that did to the rows what they had not said.",
        f"round(sum(increase({scope('migrations_total', BAD)}[$__range])))",
        thresholds=steps((1, RED)),
        links=[runbook("FieldmarkMigrationBroken"), runbook("FieldmarkMigrationSurprising")],
    ),
    stat(
        "Nobody knows",
        "Those that could not be judged: inconclusive, not comparable, or not judged at all.",
        f"round(sum(increase({scope('migrations_total', NOTHING)}[$__range])))",
        thresholds=steps((1, PURPLE)),
        links=[runbook("FieldmarkMigrationNotJudged")],
    ),
    stat(
        "Rules that one broke",
        "Rules that passed before the last judged migration and fail after it.",
        f"sum({scope('migration_failures')})",
        thresholds=steps((1, RED)),
        links=[runbook("FieldmarkMigrationBroken")],
    ),
    stat(
        "Age of the oldest mark",
        "A migration that comes now is judged by its source's last mark.",
        f"time() - min({scope('mark_timestamp_seconds')})",
        "s",
        steps((3600, YELLOW)),
        links=[runbook("FieldmarkMarkOld")],
    ),
    timeline(
        "Open migrations",
        "While a migration of the source is open or not judged yet.",
        f"max by (source) ({scope('migration_open')})",
        "{{source}}",
        mapped({"none": GREY, "open": BLUE}),
        links=[page("Migrations", "/migrations")],
    ),
    series(
        "What they did",
        "Migrations that are over, by what they did.",
        (f"sum by (verdict) (increase({scope('migrations_total')}[$__interval])) > 0", "{{verdict}}"),
        bars=True,
        interval="1h",
        overrides=coloured(VERDICTS),
        links=[runbook("FieldmarkMigrationBroken")],
    ),
    series(
        "Changes of the schema",
        "Changes that were noticed.",
        (f"sum by (source) {events(scope('schema_changes_total'), '$__interval')} > 0", "{{source}}"),
        bars=True,
        interval="1h",
    ),
    series(
        "How long they took",
        "From a migration's beginning to its end: the median and nine in ten, of all in the time before.",
        (quantile_of_all(0.5, scope("migration_duration_seconds_bucket")), "median"),
        (quantile_of_all(0.9, scope("migration_duration_seconds_bucket")), "nine in ten"),
        unit="s",
    ),
    series(
        "How fast they were judged",
        "From a migration's end to its verdict: the median and nine in ten, of all in the time before.",
        (quantile_of_all(0.5, scope("migration_time_to_verdict_seconds_bucket")), "median"),
        (quantile_of_all(0.9, scope("migration_time_to_verdict_seconds_bucket")), "nine in ten"),
        unit="s",
    ),
    series(
        "Rules that failed after one",
        "Rules that passed before the last judged migration and fail after it.",
        (f"max by (source) ({scope('migration_failures')})", "{{source}}"),
        stacked=True,
        links=[runbook("FieldmarkMigrationBroken")],
    ),
    series(
        "Age of marks",
        "How long ago the last mark was taken.",
        (f"time() - max by (source) ({scope('mark_timestamp_seconds')})", "{{source}}"),
        unit="s",
        thresholds=steps((3600, YELLOW)),
        links=[runbook("FieldmarkMarkOld")],
    ),
]

DASHBOARD = dashboard("migration", "Migrations", __doc__, panels, ["source"], scope, "/migrations", since="now-7d")
