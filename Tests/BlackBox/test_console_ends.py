"""The operator's console with topics that end, and what a token may stop."""

from admin import Admin
from broker import wait_for
from test_console import browser, console, serve  # Fixtures.

__all__ = ["browser", "console", "serve"]
TOPIC = "#/topic?name=answers%2F7"


def test_a_topic_is_ended_found_and_reopened(serve, console):
    own = serve()
    door = Admin.tcp(own)
    number = own.publish("answers/7", "x")
    own.publish("answers/8", "y")
    shown = console(own, TOPIC)
    page = shown.page
    shown.wait_for_text("#topic-figures", "1 B of payload")
    page.click("#topic-end")
    page.click("#confirm-do")
    shown.wait_for_text("#topic-notice", f"The topic has ended after id {number}.")
    shown.wait_for_text("#topic-state", f"has ended after id {number}")
    assert door.topic("answers/7")["end"]["reason"] == "ended"
    shown.go("#/topics")
    shown.wait_for_text("#topics-rows tr", "answers/8")
    page.select_option("#topics-form [name=state]", "ended")
    wait_for(lambda: page.wait_for_timeout(20) or page.locator("#topics-rows tr").count() == 1)
    assert "state=ended" in page.url
    shown.wait_for_text("#topics-rows tr", "answers/7")
    assert "ended" in page.inner_text("#topics-rows tr [data-part=state]")
    shown.go(TOPIC)
    shown.wait_for_text("#topic-end", "Reopen")
    page.click("#topic-end")
    page.click("#confirm-do")
    shown.wait_for_text("#topic-notice", "Reopened")
    assert door.topic("answers/7")["end"] is None
    page.fill("#topic-publish [name=data]", "last")
    page.check("#topic-publish [name=end]")
    page.click("#topic-publish button.main-action")
    shown.wait_for_text("#topic-publish [data-part=result]", "the topic has ended")
    assert door.topic("answers/7")["end"]["last_id"] > number


def test_a_policy_that_deletes_what_ended_is_tried_first(serve, console):
    own = serve()
    door = Admin.tcp(own)
    door.publish("answers/7", "xyz", end="true")
    plan = {"set": {"pattern": "answers/*", "removes_ended_after_seconds": 1}}
    wait_for(lambda: door.ok("POST", "/v1/retention/plan", plan)["topics_deleted"] == 1)
    shown = console(own, "#/policies")
    page = shown.page
    page.click("#policy-new")
    page.fill("#policy-dialog [name=pattern]", "answers/*")
    page.fill("#policy-dialog [name=ended]", "1")
    page.select_option("#policy-dialog [name=ended-unit]", "1")
    page.click("#policy-dry")
    shown.wait_for_text("#policy-plan", "ended long ago and would go as a whole")
    shown.wait_for_text("#policy-plan", "the topic itself, too")
    page.click("#policy-save")
    shown.wait_for_text("#policies-notice", "The policy of answers/* is in force.")
    shown.wait_for_text("#policy-rows tr:has-text('answers/*')", "1 s")
    [policy, _] = door.get("/v1/policies")["policies"]
    assert policy["removes_ended_after_seconds"] == 1 and policy["max_age_seconds"] is None


def test_a_token_may_stop(serve, console):
    own = serve()
    shown = console(own, "#/tokens")
    page = shown.page
    page.click("#token-new")
    page.fill("#token-dialog [name=stop]", "answers/*\na\n")
    page.click("#token-create")
    page.wait_for_selector("#token-shown[open]")
    shown.wait_for_text("#token-facts", "answers/*  a")
    page.click("#token-shown [data-close]")
    shown.wait_for_text("#token-rows tr", "answers/*")
    assert Admin.tcp(own).get("/v1/tokens")["tokens"][0]["stop"] == ["answers/*", "a"]
