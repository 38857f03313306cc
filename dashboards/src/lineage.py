"""Lineage: that it is read, what it costs, what changes it. Which column is made from which, the collector's own pages show."""

from dashboard import dashboard
from panel import *

scope = Scope('source=~"$source"')
WORK = 'task="lineage"'

panels = [
    stat(
        "Readings",
        "Times that lineage was read in the time that is shown: after each change of the schema, and now and then.",
        f"round(sum {events(scope('task_duration_seconds_count', WORK))})",
        width=6,
        thresholds=steps((None, BLUE)),
        links=[page("Lineage", "/lineage")],
    ),
    stat(
        "That failed",
        "Share of those readings that did not come to their end.",
        f"1 - sum {events(scope('task_duration_seconds_count', WORK, result='done'))} / sum {events(scope('task_duration_seconds_count', WORK))}",
        "percentunit",
        width=6,
        thresholds=steps((0.001, PURPLE)),
    ),
    stat(
        "Changes of the schema",
        "That were noticed in the time that is shown. Each may be one of lineage.",
        f"round(sum {events(scope('schema_changes_total'))})",
        width=6,
        thresholds=steps((None, BLUE)),
    ),
    stat(
        "Takes",
        "Nine readings in ten were done in this time.",
        quantile_of_all(0.9, scope("task_duration_seconds_bucket", WORK)),
        "s",
        width=6,
        thresholds=steps((60, YELLOW)),
    ),
    series(
        "Readings of lineage",
        "By source, and by what came of them.",
        (f"sum by (source, result) {events(scope('task_duration_seconds_count', WORK), '$__interval')} > 0", "{{source}} {{result}}"),
        bars=True,
        interval="1h",
        links=[page("Lineage", "/lineage")],
    ),
    series(
        "How long a reading takes",
        "The median and nine in ten, of all in the time before.",
        (quantile_of_all(0.5, scope("task_duration_seconds_bucket", WORK), "source"), "{{source}}, median"),
        (quantile_of_all(0.9, scope("task_duration_seconds_bucket", WORK), "source"), "{{source}}, nine in ten"),
        unit="s",
    ),
    series(
        "Changes of the schema",
        "Changes that were noticed.",
        (f"sum by (source) {events(scope('schema_changes_total'), '$__interval')} > 0", "{{source}}"),
        bars=True,
        interval="1h",
    ),
    series(
        "Findings",
        "By their ids.",
        (f"sum by (source, finding) {events(scope('findings_total'), '$__interval')} > 0", "{{source}}, {{finding}}"),
        bars=True,
        interval="1h",
    ),
]

DASHBOARD = dashboard("lineage", "Lineage", __doc__, panels, ["source"], scope, "/lineage", since="now-7d")
