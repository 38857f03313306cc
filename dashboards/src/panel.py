"""The parts that dashboards are made of: what is asked, how it is drawn, where it leads."""

# What everything here is called and found by. `make --collector URL --runbooks URL` puts yours in their place.
COLLECTOR = "https://fieldmark.example"
RUNBOOKS = "https://fieldmark.example/runbooks"

SOURCE = {"type": "prometheus", "uid": "${datasource}"}
GREEN, BLUE, YELLOW, ORANGE, RED, PURPLE, GREY = "green", "blue", "yellow", "orange", "red", "purple", "text"

# Worse ones have greater numbers. What could not be checked is never red: it says nothing of the rows.
STATES = {"ok": GREEN, "resolved": BLUE, "transient": "light-blue", "suspect": YELLOW, "flapping": ORANGE, "systemic": RED}
STATUSES = {"passed": GREEN, "inconclusive": YELLOW, "not_evaluated": PURPLE, "failed": RED}
VERDICTS = {
    "clean": GREEN,
    "as_declared": GREEN,
    "restored": BLUE,
    "surprising": ORANGE,
    "broken": RED,
    "restored_with_loss": RED,
    "inconclusive": YELLOW,
    "not_comparable": PURPLE,
    "not_judged": PURPLE,
}
SEVERITIES = {"page": RED, "ticket": YELLOW, "info": BLUE}


def matcher(label, value):
    """`~` before a value: it is a regular expression; `!~`: one that is not to match."""
    operator = next((each for each in ("!~", "~") if value.startswith(each)), "")
    return f'{label}{"=~" if operator == "~" else operator or "="}"{value.removeprefix(operator)}"'


class Scope:
    """What all queries of a dashboard have in common: `scope("rule_state", state="~suspect|systemic")` is a selector."""

    def __init__(self, *matchers):
        self.matchers = ('job=~"$job"', 'instance=~"$instance"') + matchers

    def __call__(self, metric, *matchers, **labels):
        # a metric of a convention has a name of its own
        name = metric if metric.startswith(("http_", "process_", "up", "target_")) or ":" in metric else f"fieldmark_{metric}"
        matchers += tuple(matcher(label, value) for label, value in labels.items())
        return f"{name}{{{', '.join(self.matchers + matchers)}}}"


def rate(selector):
    return f"rate({selector}[$__rate_interval])"


def events(selector, window="$__range"):
    """How often it happened in a time, the first time included: a counter that was not there before counts from nothing."""
    grown = f"increase({selector}[{window}])"
    return f"({grown} + (min_over_time({selector}[{window}]) unless {selector} offset {window}) or {grown})"


def quantile(q, selector, *by):
    """Of what happens often: how long it took lately."""
    return f"histogram_quantile({q}, sum by ({', '.join(('le',) + by)}) ({rate(selector)}))"


def quantile_of_all(q, selector, *by):
    """Of what is rare: how long it took in all of the time that is shown."""
    return f"histogram_quantile({q}, sum by ({', '.join(('le',) + by)}) {events(selector)})"


def or_none(expression):
    """Where there is none, 0."""
    return f"{expression} or vector(0)"


def number_of(selector, states, by):
    """The state as a number, by which it is drawn."""
    each = (f"{number} * {selector(state)}" for number, state in enumerate(states))
    return f"max by ({by}) ({' or '.join(each)})"


def mapped(words):
    """Numbers told as words, in their colours."""
    options = {
        str(number): {"text": word.replace("_", " "), "color": color, "index": number} for number, (word, color) in enumerate(words.items())
    }
    return [{"type": "value", "options": options}]


def worded(words):
    """Words in their colours."""
    options = {word: {"text": word.replace("_", " "), "color": color, "index": at} for at, (word, color) in enumerate(words.items())}
    return [{"type": "value", "options": options}]


def steps(*above):
    """From green on: `(1, RED)` is red from 1 on. The first may be another colour than green."""
    first = GREEN if not above or above[0][0] is not None else above[0][1]
    rest = [step for step in above if step[0] is not None]
    return {"mode": "absolute", "steps": [{"color": first, "value": None}] + [{"color": color, "value": value} for value, color in rest]}


# of a share of rules that pass
PASSING = steps((None, RED), (0.95, YELLOW), (1, GREEN))


def runbook(alert):
    return {"title": f"Runbook: {alert}", "url": f"${{runbooks}}/{alert}.md", "targetBlank": True}


def page(title, path):
    return {"title": title, "url": f"${{collector}}{path}", "targetBlank": True}


def dashboard_of(name, *variables):
    """To another dashboard, for the row that is clicked."""
    chosen = "".join(f"&var-{variable}=${{__data.fields.{variable}:percentencode}}" for variable in variables)
    return {"title": f"The {name}", "url": f"/d/fieldmark-{name}?${{datasource:queryparam}}&${{__url_time_range}}{chosen}"}


def override(name, **properties):
    """Of the field of this name; `_` in a property's name is a point."""
    matcher = {"id": "byRegexp", "options": name} if name.startswith("/") else {"id": "byName", "options": name}
    return {"matcher": matcher, "properties": [{"id": key.replace("_", "."), "value": value} for key, value in properties.items()]}


def coloured(words):
    """Each series in the colour of its word."""
    return [override(word, color={"mode": "fixed", "fixedColor": color}) for word, color in words.items()]


def target(expression, legend="", at=0, **more):
    kind = {"instant": True, "range": False} if more.pop("instant", False) else {"instant": False, "range": True}
    return {"datasource": SOURCE, "refId": "ABCDEFGHIJ"[at], "expr": expression, "legendFormat": legend or "__auto", **kind, **more}


def panel(
    kind, title, what, targets, width, height, unit, options, custom=None, thresholds=None, mappings=None, overrides=(), links=(), **more
):
    defaults = {"unit": unit, "thresholds": thresholds or steps(), "color": {"mode": "thresholds"}, "custom": custom or {}}
    defaults["mappings"] = mappings or []
    defaults.update(more.pop("defaults", {}))
    return {
        "type": kind,
        "title": title,
        "description": what,
        "datasource": SOURCE,
        "targets": targets,
        "gridPos": {"w": width, "h": height, "x": 0, "y": 0},
        "options": options,
        "fieldConfig": {"defaults": defaults, "overrides": list(overrides)},
        "links": list(links),
        **more,
    }


def row(title):
    return {"type": "row", "title": title, "collapsed": False, "panels": [], "gridPos": {"w": 24, "h": 1, "x": 0, "y": 0}}


def stat(title, what, expression, unit="short", thresholds=None, width=4, mappings=None, **more):
    """One number, as it is now."""
    options = {
        "colorMode": "value",
        "graphMode": "none",
        "justifyMode": "auto",
        "orientation": "auto",
        "textMode": "auto",
        "wideLayout": True,
        "showPercentChange": False,
        "percentChangeColorMode": "standard",
        "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
    }
    return panel(
        "stat", title, what, [target(expression, instant=True)], width, 4, unit, options, thresholds=thresholds, mappings=mappings, **more
    )


def series(
    title, what, *queries, unit="short", width=12, height=8, stacked=False, bars=False, least=0, thresholds=None, interval=None, **more
):
    """Lines over time; `queries` are expressions with their legends."""
    custom = {
        "drawStyle": "bars" if bars else "line",
        "lineInterpolation": "stepAfter" if stacked and not bars else "linear",
        "lineWidth": 1,
        "fillOpacity": 80 if bars else 30 if stacked else 5,
        "showPoints": "never",
        "spanNulls": False,
        "axisSoftMin": least,
        "stacking": {"mode": "normal" if stacked or bars else "none", "group": "A"},
        "thresholdsStyle": {"mode": "line" if thresholds else "off"},
    }
    options = {
        "legend": {"displayMode": "list", "placement": "bottom", "showLegend": True, "calcs": []},
        "tooltip": {"mode": "multi", "sort": "desc"},
    }
    if interval:
        more["interval"] = interval
        what += f" A bar is {'a day' if interval == '1d' else 'an hour'}, or more where much time is shown."
    more["defaults"] = {"color": {"mode": "palette-classic"}, **more.pop("defaults", {})}
    targets = [target(expression, legend, at) for at, (expression, legend) in enumerate(queries)]
    return panel("timeseries", title, what, targets, width, height, unit, options, custom, thresholds, **more)


def band(title, what, scope, *matchers, **more):
    """A fraction that fails, with its interval as a band around it and what is allowed as a dashed line."""
    hidden = {
        "custom_lineWidth": 0,
        "color": {"mode": "fixed", "fixedColor": RED},
        "custom_hideFrom": {"legend": True, "tooltip": False, "viz": False},
    }
    return series(
        title,
        what,
        (f"max({scope('rule_failing_upper_ratio', *matchers)})", "upper"),
        (f"min({scope('rule_failing_lower_ratio', *matchers)})", "lower"),
        (f"max({scope('rule_failing_ratio', *matchers)})", "failing"),
        (f"max({scope('rule_tolerance_ratio', *matchers)})", "allowed"),
        unit="percentunit",
        overrides=[
            override("upper", **hidden, custom_fillBelowTo="lower", custom_fillOpacity=20),
            override("lower", **hidden, custom_fillOpacity=0),
            override("failing", color={"mode": "fixed", "fixedColor": RED}, custom_fillOpacity=0, custom_lineWidth=2),
            override(
                "allowed",
                color={"mode": "fixed", "fixedColor": GREEN},
                custom_fillOpacity=0,
                custom_lineStyle={"fill": "dash", "dash": [8, 8]},
            ),
        ],
        **more,
    )


def timeline(title, what, expression, legend, mappings, width=24, height=6, **more):
    """States over time, one line for each."""
    custom = {"fillOpacity": 80, "lineWidth": 0}
    options = {
        "mergeValues": True,
        "showValue": "auto",
        "alignValue": "left",
        "rowHeight": 0.85,
        "legend": {"displayMode": "list", "placement": "bottom", "showLegend": False, "calcs": []},
        "tooltip": {"mode": "single", "sort": "none"},
    }
    return panel(
        "state-timeline", title, what, [target(expression, legend)], width, height, "none", options, custom, mappings=mappings, **more
    )


def table(title, what, labels, columns, width=24, height=9, links=None, words=None, sort=None, **more):
    """Rows by their labels; `columns` are `name: (expression, unit, thresholds)`, without a unit not shown. `links` are of a label: where a click on it leads."""
    targets = [target(expression, at=at, instant=True, format="table") for at, (expression, _, _) in enumerate(columns.values())]
    values = {f"Value #{each['refId']}": name for each, name in zip(targets, columns)}
    if len(targets) == 1:
        values = {"Value": next(iter(columns))}
    shown = {name: name for name, (_, unit, _) in columns.items() if unit}
    hidden = {value: True for value, name in values.items() if name not in shown}
    order = {label: at for at, label in enumerate(labels)} | {value: len(labels) + at for at, value in enumerate(values)}
    overrides = [
        override(name, unit=unit, **({"thresholds": limits, "custom_cellOptions": {"type": "color-text"}} if limits else {}))
        for name, (_, unit, limits) in columns.items()
        if unit
    ]
    overrides += [override(label, mappings=worded(of), custom_cellOptions={"type": "color-text"}) for label, of in (words or {}).items()]
    overrides += [override(label, links=list(of)) for label, of in (links or {}).items()]
    transformations = [
        {"id": "merge", "options": {}},
        {
            "id": "organize",
            "options": {
                "excludeByName": {"Time": True, **hidden},
                "indexByName": order,
                "renameByName": {value: name for value, name in values.items() if name in shown},
            },
        },
    ]
    options = {"frameIndex": 0, "showHeader": True, "cellHeight": "sm", "footer": {"show": False, "reducer": []}}
    if sort:
        options["sortBy"] = [{"displayName": sort, "desc": True}]
    return panel(
        "table",
        title,
        what,
        targets,
        width,
        height,
        "none",
        options,
        {"align": "auto", "filterable": True},
        overrides=overrides,
        transformations=transformations,
        **more,
    )
