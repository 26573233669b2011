#!/usr/bin/python3
"""The page in a real browser: two pages chat, strangers send rubbish, the node dies and comes back on the same port.

Screenshots go to the folder that WYE_SHOTS names, or to shots/ in the build folder. WYE_SKIP_BROWSER skips it all.
"""
import base64
import json
import os
import signal
import sys
import time

sys.dont_write_bytecode = True

import checks
import node as nodes
from checks import check
from node import Node, until

BIDI = "\u202e"


def open_browser(*more):
    from selenium import webdriver
    from selenium.webdriver.chrome.options import Options
    from selenium.webdriver.chrome.service import Service
    options = Options()
    options.binary_location = "/usr/bin/chromium"
    for flag in ("--headless=new", "--no-sandbox", "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1", "--disable-background-networking",
                 "--disable-component-update", "--disable-sync", "--no-first-run", "--disable-dev-shm-usage", "--window-size=1440,900", *more):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(service=Service("/usr/bin/chromedriver"), options=options)
    driver.set_page_load_timeout(15)
    driver.set_script_timeout(15)
    return driver


class Page:
    """What the tests ask of the tab that is in front."""

    def __init__(self, driver, node, shots):
        self.driver, self.node, self.shots = driver, node, shots
        self.js = driver.execute_script

    def find(self, selector):
        return self.driver.find_element("css selector", selector)

    def text(self, selector):
        return self.find(selector).text

    def state(self):
        return self.find("#state").get_attribute("data-state")

    def said(self):
        return self.js("return [...document.querySelectorAll('#log li')].map(li => [li.dataset.from, li.querySelector('.what').textContent])")

    def names(self):
        return self.js("return [...document.querySelectorAll('#names li')].map(li => li.textContent)")

    def value(self, name):
        """A counter's exact value."""
        return float(self.js("return document.getElementById(arguments[0]).dataset.value ?? 'NaN'", name))

    def say(self, *keys):
        self.find("#text").send_keys(*keys, "\ue007")  # Enter

    def rename(self, name):
        self.find("#name").send_keys("\ue009", "a", "\ue000", name, "\ue007")  # Control and a, nothing, Enter

    def typed(self):
        return self.find("#text").get_attribute("value")

    def front(self, tab):
        self.driver.switch_to.window(tab)

    def shot(self, name, width=1440, height=900, dark=False, whole=False):
        """A picture of the tab in front."""
        if not self.shots:
            return
        cdp = self.driver.execute_cdp_cmd
        phone = width < 500
        cdp("Emulation.setDeviceMetricsOverride", {"width": width, "height": height, "deviceScaleFactor": 2 if phone else 1, "mobile": phone})
        cdp("Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]})
        time.sleep(0.3)
        data = cdp("Page.captureScreenshot", {"captureBeyondViewport": whole})["data"]
        with open(os.path.join(self.shots, name + ".png"), "wb") as file:
            file.write(base64.b64decode(data))
        cdp("Emulation.clearDeviceMetricsOverride", {})
        cdp("Emulation.setEmulatedMedia", {"features": []})


def restart(options):
    """Starts a node on a port that one that was killed had: the kernel holds it for some milliseconds more."""
    for attempt in range(50):
        node = Node(*options)
        try:
            return node.start()
        except RuntimeError:
            if node.process.returncode != 2 or attempt == 49:
                raise
            time.sleep(0.05)
    return None


def two_pages_chat(page):
    """Opens two tabs, as two people. Returns them."""
    url = page.node.url
    page.driver.get(url)
    first = page.driver.current_window_handle
    check("the page connects", until(lambda: page.state() == "live"), page.state())
    check("it gives a random name", len(page.find("#name").get_attribute("value")) > 3)
    page.rename("Ada")
    page.driver.switch_to.new_window("tab")
    page.driver.get(url)
    second = page.driver.current_window_handle
    check("a second page connects", until(lambda: page.state() == "live"), page.state())
    check("the name is remembered", page.find("#name").get_attribute("value") == "Ada")
    page.rename("Grace")
    check("the newcomer learns the names", until(lambda: sorted(page.names()) == ["Ada", "Grace (you)"]), page.names())
    check("two are here", until(lambda: page.text("#people") == "2"), page.text("#people"))
    page.say("Hello from the second tab")
    check("one's own message comes back", until(lambda: page.said() == [["Grace", "Hello from the second tab"]]), page.said())
    check("it is marked as one's own", len(page.driver.find_elements("css selector", '#log li.mine[data-from="Grace"]')) == 1)
    check("the box is empty again", page.typed() == "")
    page.front(first)
    check("the first page has it, too", until(lambda: ["Grace", "Hello from the second tab"] in page.said()), page.said())
    check("and the new name", until(lambda: sorted(page.names()) == ["Ada (you)", "Grace"]), page.names())
    evil = "<img src=x onerror=\"document.title='owned'\"><script>document.title='owned'</script>"
    page.find("#text").send_keys(evil)
    page.find("#send").click()
    check("markup is only text", until(lambda: ["Ada", evil] in page.said()) and page.driver.title != "owned"
          and not page.driver.find_elements("css selector", "#log img, #log script"))
    return first, second


def counters_move(page):
    value = page.value
    check("the counters arrive", until(lambda: value("connections") >= 2 and value("messages-in") > 0 and value("deliveries") > 0), value("connections"))
    before = value("uptime")
    check("the uptime moves", until(lambda: value("uptime") > before, 4), before)
    check("the upgrades are counted", value("upgrades") >= 4, value("upgrades"))
    before = value("messages-in")
    for number in range(5):
        page.say(f"line {number}")
    check("the messages move by what was said", until(lambda: value("messages-in") >= before + 5, 4), [before, value("messages-in")])
    check("a rate shows", until(lambda: value("rate-in") > 0, 4), value("rate-in"))
    check("the chat's topic has its row", until(lambda: page.text('#topics tr[data-topic="chat"] td') == "2", 4), page.text("#topics"))
    check("the snippet names this host", f"new WebSocket('{page.node.ws}/chat')" in page.text("#snippet"), page.text("#snippet"))


def strangers_do_no_harm(page):
    """The three lines that the page shows; then rubbish."""
    said, js = page.said, page.js
    until(lambda: ["Ada", "line 4"] in said())
    before = len(said())
    long = {"type": "say", "id": "long", "name": "n" * 999 + BIDI, "text": "w" * 5000}
    js("""const ws = window.stranger = new WebSocket(arguments[0]);
      ws.onopen = () => { ws.send('hello'); for (const m of arguments[1]) ws.send(m); ws.send(new Uint8Array([0, 255, 254])); }""",
       page.node.ws + "/chat",
       ["{", "[]", "{}", "[1,2", '{"type":"say"}', '{"type":"say","id":5,"name":"x","text":"y"}', '{"type":"hello","id":["a"]}', '{"type":"say","id":"A B","text":"x"}',
        '{"type":"say","id":"zz","name":{},"text":{}}', '{"type":"__proto__","id":"x"}', "", "   ", '{"type":"bye","id":"nobody"}', json.dumps(long), "x" * 70000])
    check("three lines of code can join in", until(lambda: ["guest", "hello"] in said()), said()[-3:])
    check("what is too long is cut", until(lambda: ["n" * 24, "w" * 2000] in said()))
    time.sleep(0.3)
    check("rubbish is ignored", len(said()) == before + 2, [(who, what[:40]) for who, what in said()[before:]])
    js("""const ws = window.stranger; window.seen = [];
      ws.onmessage = e => { try { window.seen.push(JSON.parse(e.data)); } catch {} };
      for (let i = 0; i < 1000; i++) ws.send(JSON.stringify({type: 'here', id: 'crowd' + i, name: 'Traveller ' + i}));""")
    check("a crowd is summed up", until(lambda: any(name.startswith("and ") for name in page.names())) and len(page.names()) <= 21, page.names()[-1:])
    js("window.stranger.close()")


def messages_come_back(page, node, deflates):
    """Echoes of all kinds and sizes. This browser compresses all that it sends when it may, and then gets the same; what is long and
    wasn't compressed comes back in fragments."""
    page.driver.get(node.url)
    faults = page.driver.execute_async_script("""
      const [url, deflates, done] = arguments, ws = new WebSocket(url), waiting = [], faults = [];
      ws.binaryType = 'arraybuffer';
      ws.onmessage = event => waiting.shift()(event.data);
      ws.onclose = event => done([...faults, `closed with ${event.code}`]);
      const echo = data => new Promise(resolve => { waiting.push(resolve); ws.send(data); });
      const noise = count => { const bytes = new Uint8Array(count); for (let at = 0; at < count; at += 65536) crypto.getRandomValues(bytes.subarray(at, at + 65536)); return bytes.buffer; };
      const same = (a, b) => a.byteLength === b.byteLength && new Uint8Array(a).every((byte, i) => byte === new Uint8Array(b)[i]);
      ws.onopen = async () => {
        if (ws.extensions.includes('permessage-deflate') !== deflates) faults.push(`extensions: ${ws.extensions}`);
        for (const text of ['', 'a', 'grüß 水 😀', 'again and again 水 '.repeat(10), 'again and again 水 '.repeat(20000), 'x'.repeat(3 << 20)])
          if (await echo(text) !== text) faults.push(`text of ${text.length}`);
        for (const bytes of [new ArrayBuffer(0), noise(1), noise(126), noise(70000), noise(3 << 20), new ArrayBuffer(3 << 20)])
          if (!same(await echo(bytes), bytes)) faults.push(`binary of ${bytes.byteLength}`);
        const burst = Array.from({length: 500}, (_, i) => `message ${i} `.repeat(i));
        const back = await Promise.all(burst.map(echo));
        if (!back.every((text, i) => text === burst[i])) faults.push('a burst');
        ws.onclose = event => done(event.code === 1000 && event.wasClean ? faults : [...faults, `ended with ${event.code}`]);
        ws.close(1000);
      };""", node.ws + "/echo", deflates)
    check("messages of all sizes come back, " + ("compressed" if deflates else "in fragments"), faults == [], faults)
    metrics = node.metrics()
    check("as both have agreed", all((metrics[name] > 400) == deflates for name in ("wye_deflated_total", "wye_inflated_total")), metrics)


def the_node_dies_and_comes_back(page, first, second, options):
    # Sent, but the line breaks before it comes back: it returns to the box.
    page.node.signal(signal.SIGSTOP)
    page.say("was it lost?")
    check("a line that is handed over leaves the box", page.typed() == "")
    page.node.kill()
    check("the page waits when the node has died", until(lambda: page.state() == "waiting"), page.state())
    check("what the node hadn't answered is back in the box", until(lambda: page.typed() == "was it lost?", 3), page.typed())
    page.find("#text").send_keys("\ue009", "a", "\ue000", "typed offline")
    page.find("#text").send_keys("\ue007")
    check("what is typed meanwhile stays there", page.typed() == "typed offline", page.typed())
    check("and the page says so", "stays" in page.text("#hint"), page.text("#hint"))
    page.shot("waiting")
    time.sleep(1.5)
    check("it goes on trying", page.state() in ("waiting", "connecting"), page.state())
    page.node = restart(options)
    check("the first page is back", until(lambda: page.state() == "live", 15), page.state())
    check("the text is still there", page.typed() == "typed offline", page.typed())
    page.find("#text").send_keys("\ue007")
    check("and is sent now", until(lambda: ["Ada", "typed offline"] in page.said()), page.said()[-3:])
    page.front(second)
    check("the second page is back", until(lambda: page.state() == "live", 15), page.state())
    page.say("welcome back")
    page.front(first)
    check("and they talk again", until(lambda: ["Grace", "welcome back"] in page.said()), page.said()[-3:])
    check("the counters start anew", until(lambda: page.value("upgrades") <= 8 and page.find("#node").get_attribute("data-state") == "live", 12), page.value("upgrades"))


def the_end(page, first, second):
    page.front(second)
    page.driver.close()
    page.front(first)
    check("leaving is noticed", until(lambda: not any("Grace" in name for name in page.names()), 5), page.names()[:5])
    check("one is here", until(lambda: page.text("#people") == "1", 5), page.text("#people"))
    page.js("""const ws = window.stranger = new WebSocket(arguments[0]); ws.onopen = () => {
      for (let i = 0; i < 3000; i++) ws.send(JSON.stringify({type: 'say', id: 'flood', name: 'Flood', text: 'line ' + i})); ws.close(); }""", page.node.ws + "/chat")
    check("a flood is shown to its end", until(lambda: (page.said() or [None])[-1] == ["Flood", "line 2999"]), page.said()[-1:])
    check("and kept short", len(page.said()) <= 200, len(page.said()))
    check("the log follows", page.js("const v = document.getElementById('scroll'); return v.scrollHeight - v.scrollTop - v.clientHeight < 2"))
    page.js("document.getElementById('text').focus()")
    order = []
    for _ in range(2):
        order.append(page.js("return document.activeElement.id || document.activeElement.dataset.copies"))
        page.driver.switch_to.active_element.send_keys("\ue004")  # Tab
    check("the keyboard goes from the text to its button", order == ["text", "send"], order)
    page.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", {"width": 360, "height": 740, "deviceScaleFactor": 1, "mobile": True})
    time.sleep(0.3)
    width = page.js("return document.documentElement.scrollWidth")
    check("nothing scrolls sideways at 360 pixels", width <= 360, width)
    page.driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    # The node was away for a while. The page asked why each connection failed, and the node may have been back in time to answer.
    log = [entry["message"] for entry in page.driver.get_log("browser")]
    failed = [message for message in log if "WebSocket connection" in message]
    answers = [message for message in log if "426 (Upgrade Required)" in message]
    bad = [message for message in log if "ERR_CONNECTION" not in message and message not in failed + answers]
    check("the console has no complaint", not bad and len(answers) <= len(failed), bad + answers)


def pictures(page):
    """A conversation, to be looked at."""
    page.driver.get(page.node.url)
    until(lambda: page.state() == "live")
    page.js("""const ws = window.cast = new WebSocket(arguments[0]);
      const people = [['amber1', 'Amber Signal'], ['north2', 'Northern Sleeper'], ['copper3', 'Copper Viaduct'], ['quiet5', 'Quiet Pointsman']];
      const lines = [[0, 'Morning. Is this thing on?'], [1, 'It is. Came in over HTTP, left over WebSocket.'],
        [0, 'One 101 and we are on another line.'], [2, 'Who decides where the points go?'], [3, 'The request does: Upgrade, Connection, a key, a version.'],
        [3, 'And the node says why when one of them is missing.'], [1, 'What happens when it restarts?'], [0, 'You wait a second or so, at random, and you are back. Try it.'],
        [2, 'مرحبا من الرصيف الآخر']];
      window.extras = people.slice(1).map(() => new WebSocket(arguments[0]));
      ws.onopen = () => {
        for (const [id, name] of people) ws.send(JSON.stringify({type: 'here', id, name}));
        for (const [who, text] of lines) ws.send(JSON.stringify({type: 'say', id: people[who][0], name: people[who][1], text}));
        let t = 0;
        setInterval(() => { t++; const n = Math.round(6 + 4 * Math.sin(t / 9) + 3 * Math.random());
          for (let i = 0; i < n; i++) ws.send(JSON.stringify({type: 'here', id: people[i % 4][0], name: people[i % 4][1]})); }, 300);
      };
      const more = ['orders', 'sensors/hall-3/temperature', 'tick'].map(name => new WebSocket(arguments[0].replace('/chat', '/topic/' + name)));
      setInterval(() => more.forEach((ws, i) => { for (let n = 0; n < [3, 1, 10][i]; n++) ws.readyState === 1 && ws.send('x'); }), 1000);
      """, page.node.ws + "/chat")
    time.sleep(1)
    page.say("Restarted it twice. Everybody came back.")
    time.sleep(float(os.environ.get("SCENE_SECONDS", 3)))
    page.shot("desktop-light")
    page.shot("desktop-dark", dark=True)
    page.shot("phone-light", 390, 844)
    page.shot("phone-whole", 390, 844, dark=True, whole=True)


def tell(doc, start, story):
    """Tells a story to a browser and the node that start() gives, and ends both whatever happens. Returns the exit status."""
    options = checks.arguments(doc)
    if os.environ.get("WYE_SKIP_BROWSER"):
        print("skipped, as WYE_SKIP_BROWSER asks\n0 passed, 0 failed")
        return 77
    shots = None if options.quick else os.environ.get("WYE_SHOTS") or os.path.join(os.path.dirname(nodes.program()), "shots")
    if shots:
        os.makedirs(shots, exist_ok=True)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    page = driver = None
    try:
        node = start()
        driver = open_browser()
        page = Page(driver, node, shots)
        story(page)
        driver.quit()
        driver = None
        check("the node ends with 0 after the browser has left", (status := page.node.stop()) == 0, status)
    except Exception as trouble:
        checks.note("the story comes to its end", f"{type(trouble).__name__}: {trouble}" + (f"\n{page.node.log()[-2000:]}" if page else ""))
    finally:
        if driver:
            driver.quit()
        nodes.kill_all()
    return checks.finish()


def story(page):
    # The second node takes the first one's port, where the pages look for it.
    again = ["--listen", f"127.0.0.1:{page.node.port}"]
    for mode in ("shared", "takeover", "off"):
        with Node("--deflate", mode) as other:
            messages_come_back(page, other, mode != "off")
    first, second = two_pages_chat(page)
    counters_move(page)
    strangers_do_no_harm(page)
    the_node_dies_and_comes_back(page, first, second, again)
    the_end(page, first, second)
    if page.shots:
        pictures(page)
        check("the pictures are taken", {"waiting.png", "desktop-light.png", "phone-whole.png"} <= set(os.listdir(page.shots)), os.listdir(page.shots))


if __name__ == "__main__":
    sys.exit(tell(__doc__, lambda: Node().start(), story))
