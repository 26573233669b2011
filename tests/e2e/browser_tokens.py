#!/usr/bin/python3
"""The page of a node that wants tokens, in a real browser: asked for, given by the address, by hand, expired, and not enough."""
import sys
import tempfile
import time
import urllib.error
import urllib.request
from urllib.parse import urlsplit

sys.dont_write_bytecode = True

from browser import tell
from checks import check
from node import Node, until
from tokens import SECRET, jwt


def why(page):
    """What the form that asks for a token says; None: it isn't shown."""
    return page.text("#why") if page.find("#token").is_displayed() else None


def give(page, token):
    page.find("#token-text").send_keys(token, "\ue007")


def links(page):
    """Where the links to the node's own resources lead, as a click would ask for them: status by path, and which carry a token."""
    hrefs = page.js("return [...document.querySelectorAll('nav a')].map(a => a.href)")
    statuses = {}
    for href in hrefs:
        try:
            with urllib.request.urlopen(href, timeout=10) as answer:
                statuses[urlsplit(href).path] = answer.status
        except urllib.error.HTTPError as refusal:
            statuses[urlsplit(href).path] = refusal.code
    return statuses, sorted(urlsplit(href).path for href in hrefs if "token=" in href)


OPENED = {"/metrics": 200, "/healthz": 200, "/topics": 200}
SHUT = {"/metrics": 401, "/healthz": 200, "/topics": 401}


def story(page):
    driver, url = page.driver, page.node.url
    everything = {"publish": ["chat"], "subscribe": ["chat", "$wye/stats", "$wye/metrics", "$wye/topics"]}
    driver.get(url)
    check("the page asks for a token", until(lambda: why(page) and "This needs a token" in why(page)), why(page))
    check("it stops trying meanwhile", page.state() == "refused", page.state())
    check("its links lead nowhere yet", links(page) == (SHUT, []), links(page))
    page.shot("token")
    give(page, "no.such.token")
    check("a bad one is told", until(lambda: why(page) and "isn't good" in why(page)), why(page))
    give(page, jwt(everything))
    check("a good one opens the chat", until(lambda: page.state() == "live"), page.state())
    check("and the form is gone", until(lambda: why(page) is None), why(page))
    check("and opens the node's counters", until(lambda: page.find("#node").get_attribute("data-state") == "live"), page.text("#node-why"))
    page.say("hello")
    check("one may speak", until(lambda: [what for _, what in page.said()] == ["hello"]), page.said())
    check("the links to what wants a token carry it, and no other", links(page) == (OPENED, ["/metrics", "/topics"]), links(page))
    driver.refresh()
    check("the tab keeps it", until(lambda: page.state() == "live"), page.state())
    check("and its links do", links(page) == (OPENED, ["/metrics", "/topics"]), links(page))
    check("the snippet has a place for it", "/chat?token=TOKEN'" in page.text("#snippet") and "Bearer TOKEN" in page.text("#curl"), page.text("#snippet"))

    driver.switch_to.new_window("tab")
    driver.get(url + "?a=b&token=" + jwt(everything))
    check("the address's query brings one, too", until(lambda: page.state() == "live"), page.state())
    check("and doesn't show it any longer, but for the rest", driver.current_url == url + "?a=b", driver.current_url)
    check("the links carry it", links(page) == (OPENED, ["/metrics", "/topics"]), links(page))

    driver.switch_to.new_window("tab")
    driver.get(url + "#token=" + jwt({"subscribe": ["chat"]}))
    check("the address brings one", until(lambda: page.state() == "live"), page.state())
    check("and doesn't show it any longer", driver.current_url == url, driver.current_url)
    check("a token that is for the chat alone is no reason to ask", until(lambda: "doesn't cover" in page.text("#node-why")) and why(page) is None, [page.text("#node-why"), why(page)])
    page.say("may I?")
    check("one who may only listen is told", until(lambda: "not speak" in page.text("#hint"), 5), page.text("#hint"))
    check("and goes on listening", until(lambda: page.state() == "live", 15), page.state())

    page.js("location.hash = 'token=' + arguments[0]", jwt({**everything, "exp": int(time.time()) + 3}))
    driver.refresh()
    check("a short one opens the chat", until(lambda: page.state() == "live"), page.state())
    check("when it ends, the page asks for another", until(lambda: why(page) and "It has expired" in why(page), 8), why(page))
    give(page, jwt(everything))
    check("and goes on with it", until(lambda: page.state() == "live"), page.state())
    bad = [entry["message"] for entry in driver.get_log("browser") if entry["level"] == "SEVERE" and "WebSocket" not in entry["message"] and "status of 4" not in entry["message"]]
    check("the console has no other complaint", not bad, bad)


def main():
    with tempfile.NamedTemporaryFile() as key:
        key.write(SECRET)
        key.flush()
        return tell(__doc__, lambda: Node("--token-key", key.name).start(), story)


if __name__ == "__main__":
    sys.exit(main())
