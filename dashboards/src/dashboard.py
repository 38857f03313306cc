"""A dashboard around its panels: variables, annotations, links, places."""

import panel as p

# A variable's name, where its values are, and what it is called; the values of each follow from the ones before it.
FROM = {
    "job": ("heartbeat_timestamp_seconds", ()),
    "instance": ("heartbeat_timestamp_seconds", ("job",)),
    "source": ("source_up", ("job", "instance")),
    "schema": ("rule_status", ("job", "instance", "source")),
    "table": ("rule_status", ("job", "instance", "source", "schema")),
    "rule": ("rule_status", ("job", "instance", "source", "schema", "table")),
    "owner": ("rule_status", ("job", "instance", "source")),
}


def chosen(name, single):
    """The matcher of a variable: one value, or as many as are chosen. A rule without an owner has no such label, and is of all."""
    return f'{name}="${name}"' if name in single else f'{name}=~"${name}"'


def variable(name, single, shown):
    metric, before = FROM[name]
    matchers = ", ".join(chosen(other, single) for other in before if other in shown)
    query = f"label_values(fieldmark_{metric}{{{matchers}}}, {name})" if matchers else f"label_values(fieldmark_{metric}, {name})"
    one = name in single
    several = (
        {} if one else {"allValue": ".*" if name == "owner" else ".+", "current": {"selected": True, "text": ["All"], "value": ["$__all"]}}
    )
    return {
        "type": "query",
        "name": name,
        "label": name.capitalize(),
        "datasource": p.SOURCE,
        "query": {"query": query, "refId": name},
        "definition": query,
        "refresh": 2,
        "sort": 1,
        "multi": not one,
        "includeAll": not one,
        "hide": 0,
        "regex": "",
        "options": [],
        "skipUrlSync": False,
        **several,
    }


def constant(name, value):
    return {"type": "constant", "name": name, "query": value, "hide": 2, "skipUrlSync": True, "current": {"text": value, "value": value}}


def annotation(name, expression, color, title):
    return {
        "name": name,
        "enable": True,
        "iconColor": color,
        "datasource": p.SOURCE,
        "expr": expression,
        "step": "30s",
        "titleFormat": title,
        "textFormat": "{{source}}",
        "tagKeys": "source,verdict",
    }


def annotations(scope):
    """Migrations: while one is open, and what each was found to have done."""
    return [
        annotation("Open migrations", f"{scope('migration_open')} == 1", "light-blue", "A migration is open"),
        annotation(
            "Judged migrations",
            f"changes({scope('migrations_total')}[$__rate_interval]) > 0",
            "purple",
            "A migration was judged: {{verdict}}",
        ),
    ]


def placed(panels):
    """Side by side as long as they fit, then below."""
    x = y = height = 0
    for number, each in enumerate(panels, 1):
        place = each["gridPos"]
        if x + place["w"] > 24:
            x, y, height = 0, y + height, 0
        place.update(x=x, y=y)
        x, height = x + place["w"], max(height, place["h"])
        each["id"] = number
    return panels


def dashboard(name, title, what, panels, variables, annotated, path, single=(), since="now-6h"):
    """`variables` beside job and instance; `single`: those with one value; `path`: the collector's own page about the same."""
    shown = ("job", "instance") + tuple(variables)
    source = {
        "type": "datasource",
        "name": "datasource",
        "label": "Data source",
        "query": "prometheus",
        "hide": 0,
        "includeAll": False,
        "multi": False,
        "options": [],
        "refresh": 1,
        "regex": "",
        "skipUrlSync": False,
    }
    others = {
        "type": "dashboards",
        "title": "Fieldmark",
        "tags": ["fieldmark"],
        "asDropdown": True,
        "includeVars": True,
        "keepTime": True,
        "icon": "external link",
        "targetBlank": False,
        "tooltip": "The other dashboards",
        "url": "",
    }
    own = {
        "type": "link",
        "title": "In the collector",
        "url": f"${{collector}}{path}",
        "icon": "external link",
        "targetBlank": True,
        "asDropdown": False,
        "includeVars": False,
        "keepTime": False,
        "tags": [],
        "tooltip": "The same, as the collector tells it",
    }
    return {
        "uid": f"fieldmark-{name}",
        "title": f"Fieldmark / {title}",
        "description": what,
        "tags": ["fieldmark"],
        "editable": False,
        "schemaVersion": 39,
        "version": 1,
        "timezone": "browser",
        "refresh": "1m",
        "time": {"from": since, "to": "now"},
        "graphTooltip": 1,
        "fiscalYearStartMonth": 0,
        "liveNow": False,
        "weekStart": "",
        "timepicker": {},
        "links": [others, own],
        "templating": {
            "list": [source]
            + [variable(each, single, shown) for each in shown]
            + [constant("collector", p.COLLECTOR), constant("runbooks", p.RUNBOOKS)]
        },
        "annotations": {"list": annotations(annotated)},
        "panels": placed(panels),
    }
