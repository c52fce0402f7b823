"""What is shipped for watching a broker names nothing that the broker does not expose."""

import json
import re
import shutil
import subprocess

import httpx
import pytest

from broker import ROOT, wait_for

RULES = ROOT / "deploy" / "prometheus" / "tickertape.rules.yml"
RULE_TESTS = RULES.with_name("tickertape.rules.test.yml")
DASHBOARD = ROOT / "deploy" / "grafana" / "tickertape.json"
NAME = re.compile(r"\btickertape_[a-z_]+")


def exposed(broker):
    """The names of the samples at /metrics, over the socket."""
    transport = httpx.HTTPTransport(uds=str(broker.directory / "admin.sock"))
    with httpx.Client(transport=transport) as door:
        response = door.get("http://localhost/metrics")
    assert response.status_code == 200
    lines = response.text.splitlines()
    return {NAME.match(line)[0] for line in lines if NAME.match(line)}


def expressions_of_rules():
    # The expressions alone, with the lines they go on for: descriptions name metrics for people.
    text = RULES.read_text()
    found = re.findall(r"^ +expr: (>-\n(?:          .*\n)+|.*\n)", text, re.M)
    assert len(found) == text.count("- alert: ")
    return "".join(found)


def test_every_metric_of_rules_and_dashboard_is_exposed(start):
    own = start()
    own.publish("a/b", "x")
    with own.follow("a/b", after=0) as stream:
        stream.opening()
        stream.next()
        named = set(NAME.findall(expressions_of_rules()))
        dashboard = json.loads(DASHBOARD.read_text())
        for panel in dashboard["panels"]:
            named |= {name for target in panel.get("targets", [])
                      for name in NAME.findall(target["expr"])}
        assert len(named) > 30
        wait_for(lambda: not named - exposed(own), 5, f"{sorted(named - exposed(own))} exposed")


def test_every_metric_of_the_broker_is_on_the_dashboard(start):
    # What is not worth a place there is not worth exposing.
    families = {re.sub("_(bucket|sum|count)$", "", name) for name in exposed(start())}
    text = DASHBOARD.read_text() + RULES.read_text()
    assert sorted(name for name in families if name not in text) == []


def test_the_dashboard_is_whole():
    dashboard = json.loads(DASHBOARD.read_text())
    ids = [panel["id"] for panel in dashboard["panels"]]
    assert len(ids) == len(set(ids))
    variables = {one["name"]: one for one in dashboard["templating"]["list"]}
    assert variables["datasource"]["type"] == "datasource"
    taken = set()
    for panel in dashboard["panels"]:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24
        cells = {(x, y) for x in range(place["x"], place["x"] + place["w"])
                 for y in range(place["y"], place["y"] + place["h"])}
        assert not cells & taken, panel["title"]
        taken |= cells
        for target in panel.get("targets", []):
            assert target["datasource"]["uid"] == "${datasource}"
            assert set(re.findall(r"\$(\w+)", target["expr"])) <= {*variables, "__rate_interval"}


@pytest.mark.skipif(not shutil.which("promtool"), reason="promtool is in Debian's prometheus")
@pytest.mark.parametrize("what, file", [("check", RULES), ("test", RULE_TESTS)])
def test_promtool_accepts_the_rules(what, file):
    done = subprocess.run(["promtool", what, "rules", file], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_alert_says_what_to_do_and_is_tried():
    alerts = RULES.read_text().split("- alert: ")[1:]
    tried = RULE_TESTS.read_text()
    for alert in alerts:
        name = alert.split()[0]
        assert re.search(r"severity: (critical|warning)", alert), name
        assert "summary: " in alert and "description: >-" in alert, name
        assert "for: " in alert or "changes(" in alert, name
        assert tried.count(name) >= 1, name
