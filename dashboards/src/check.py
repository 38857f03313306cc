"""What holds of every dashboard and rule: the rules of Grafana's linter as far as they apply, and that nothing is told that is not there."""

import re

UNITS = {"none", "short", "percentunit", "s", "bytes", "cps", "opm", "reqps", "bool_yes_no"}
SELECTOR = re.compile(r"([a-zA-Z_][\w:]*)\{([^}]*)\}")
MATCHER = re.compile(r'(\w+)\s*(?:=~|!~|!=|=)\s*"')
GROUPED = re.compile(r"\b(?:by|without|on|ignoring|group_left|group_right) \(([^)]*)\)")
OF_PROMETHEUS = {"job", "instance", "le"}
NAME = re.compile(r"\b((?:fieldmark|http_server|process)_\w+|\w+:\w+:\w+)")
RULE = re.compile(r"\n +- (alert|record): (\S+)\n(.*?)(?=\n +- (?:alert|record|name):|\Z)", re.S)


def metrics(text):
    """The list of docs/metrics.md: names in Prometheus with their labels."""
    known = {"up": set()}
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.split("|")]
        if len(cells) < 8 or not cells[1].startswith("`"):
            continue
        name, labels = cells[1].strip("`"), set(re.findall(r"`([^`]+)`", cells[5]))
        labels = {label.replace(".", "_") for label in labels}
        suffixes = ("_bucket", "_count", "_sum") if cells[3] == "histogram" else ("",)
        known |= {name + suffix: labels for suffix in suffixes}
    return known


def rules(text):
    """Rules as they are written: kind, name, expression, all of it."""
    for kind, name, body in RULE.findall(text):
        expression = re.search(r"expr: (?:>-\n)?(.*?)(?=\n +(?:for|labels|annotations):|\n\n|\Z)", body, re.S)
        yield kind, name, expression[1], body


def recorded(text, known):
    """What recording rules make, with the labels of what they are made of."""
    for kind, name, expression, _ in rules(text):
        if kind == "record":
            known[name] = set().union(*(known.get(each, set()) for each in NAME.findall(expression)))


def of_expression(expression, known):
    """What an expression speaks of has to be there, metric and label."""
    names = set(NAME.findall(expression)) | {name for name, _ in SELECTOR.findall(expression)}
    wrong = [f"no such metric: {name}" for name in sorted(names - set(known))]
    labels = OF_PROMETHEUS.union(*(known.get(name, set()) for name in names))
    for name, matchers in SELECTOR.findall(expression):
        unknown = set(MATCHER.findall(matchers)) - known.get(name, set()) - OF_PROMETHEUS
        wrong += [f"{name} has no label {label}" for label in sorted(unknown)]
    grouped = {label.strip() for group in GROUPED.findall(expression) for label in group.split(",") if label.strip()}
    return wrong + [f"no metric of it has the label {label}" for label in sorted(grouped - labels)]


def of_target(expression):
    """Linter: job and instance in each selector, counters by their growth, rates over what the scrape interval needs."""
    wrong = []
    for name, matchers in SELECTOR.findall(expression):
        for label in ("job", "instance"):
            if f'{label}=~"${label}"' not in matchers:
                wrong.append(f"{name} has no matcher of {label}")
    for selector, window in re.findall(r"\b(?:rate|irate)\([^\[]*?(\{[^}]*\})\[([^\]]+)\]", expression):
        if window != "$__rate_interval":
            wrong.append(f"a rate over {window}")
    for found in re.finditer(r"\w+_total\{[^}]*\}", expression):
        before, after = expression[: found.start()], expression[found.end() :]
        # one that was not there before is counted from nothing: `panel.events`
        if not re.search(r"(rate|increase|min_over_time)\($", before) and not after.startswith(" offset "):
            wrong.append(f"a counter as it is: {found[0]}")
    return wrong


def of_panel(panel):
    if panel["type"] == "row":
        return []
    wrong = [f"no {key}" for key in ("title", "description", "targets") if not panel.get(key)]
    defaults, overrides = panel["fieldConfig"]["defaults"], panel["fieldConfig"]["overrides"]
    units = [each["value"] for of in overrides for each in of["properties"] if each["id"] == "unit"] + [defaults["unit"]]
    wrong += [f"no such unit: {unit}" for unit in units if unit not in UNITS]
    for each in [panel] + panel["targets"]:
        if each["datasource"]["uid"] != "${datasource}":
            wrong.append("a data source that is not the variable")
    return wrong


def of_dashboard(dashboard, known, runbooks):
    """All that is wrong with one."""
    wrong = []
    variables = {each["name"]: each for each in dashboard["templating"]["list"]}
    if dashboard["editable"]:
        wrong.append("it can be edited where it is shown")
    if variables["datasource"]["label"] != "Data source":
        wrong.append("the data source's variable is called otherwise")
    for name in ("job", "instance"):
        each = variables[name]
        if (each["label"], each["multi"], each["allValue"]) != (name.capitalize(), True, ".+"):
            wrong.append(f"the variable {name} is not as it has to be")
    for each in variables.values():
        if each["type"] == "query":
            if each["refresh"] != 2:
                wrong.append(f"the variable {each['name']} is not read again when the time is another one")
            wrong += of_expression(each["definition"], known)
    for each in dashboard["annotations"]["list"]:
        wrong += of_expression(each["expr"], known)
    titles = [panel["title"] for panel in dashboard["panels"]]
    for panel in dashboard["panels"]:
        said = of_panel(panel)
        for target in panel.get("targets", []):
            said += of_expression(target["expr"], known) + of_target(target["expr"])
        for link in panel.get("links", []):
            alert = re.fullmatch(r"\$\{runbooks\}/(\w+)\.md", link["url"])
            if alert and alert[1] not in runbooks:
                said.append(f"no runbook {alert[1]}")
        wrong += [f"{panel['title']}: {each}" for each in said]
    text = str(dashboard)
    used = set(re.findall(r"\$\{?(\w+)", text)) - {
        "__data",
        "__url_time_range",
        "__rate_interval",
        "__interval",
        "__range",
        "__range_s",
        "__all",
    }
    wrong += [f"no such variable: {name}" for name in sorted(used - set(variables))]
    wrong += [f"the variable {name} is of no use" for name in sorted(set(variables) - used - {"runbooks"})]
    return [f"{dashboard['uid']}: {each}" for each in wrong]


def of_rules(text, known, runbooks):
    """What rules speak of is there; each alert has a severity, a runbook and words."""
    wrong = []
    for kind, name, expression, body in rules(text):
        said = of_expression(expression, known)
        if kind == "alert":
            said += [f"no {key}" for key in ("summary:", "description:", f"/{name}.md", "severity") if key not in body]
            said += [] if name in runbooks else ["no runbook"]
        wrong += [f"{name}: {each}" for each in said]
    return wrong
