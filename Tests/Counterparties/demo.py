"""demo.py [PATCHBAY]: the demo's checklist in a real browser, counted in clicks and seconds.

Starts a demo of its own, signs in by the link that it prints, does the checklist's steps by their buttons and waits
until each has ticked itself; then the switches of Sandbox, and the way to one's own account. The bakery's page and the
demo's own pages are judged by axe-core in light and dark at 1280 and 360 pixels. The Python lines that the bakery shows
verify a real delivery, and refuse a changed one. Pictures are kept in a folder that it names.
"""

import http.server
import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect, sync_playwright

ROOT = pathlib.Path(__file__).resolve().parents[2]
BINARY = sys.argv[1] if len(sys.argv) > 1 else str(ROOT / ".build/debug/patchbay")
TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
WIDTHS = {1280: 900, 360: 720}
STEPS = 5
PATIENCE = 90
failures = []


def check(is_true, what):
    if not is_true:
        failures.append(what)
        print("✘", what, flush=True)
    return is_true


class Demo:
    def __init__(self, folder):
        self.began = time.time()
        self.log = pathlib.Path(folder, "demo.log")
        environment = {"PATH": os.environ["PATH"], "HOME": os.environ["HOME"]}
        self.process = subprocess.Popen(
            [BINARY, "demo", "--folder", f"{folder}/demo"], env=environment, stdin=subprocess.DEVNULL,
            stdout=self.log.open("w"), stderr=subprocess.STDOUT)
        self.wait("The first event of this start")
        text = self.log.read_text()
        self.link = re.search(r"Dashboard +(\S+)", text)[1]
        self.application = re.search(r"Application +(\S+)", text)[1]
        self.key = re.search(r"API key +(\S+)", text)[1]
        self.base = re.search(r"PATCHBAY_URL=(\S+)", text)[1]
        self.first_event = re.search(r"is there after ([0-9.]+) s", text)[1]

    def wait(self, words):
        for _ in range(PATIENCE * 20):
            if words in self.log.read_text():
                return
            if self.process.poll() is not None:
                sys.exit(f"The demo ended:\n{self.log.read_text()}")
            time.sleep(0.05)
        sys.exit(f"The demo does not say {words!r}:\n{self.log.read_text()}")

    def api(self, method, path, body=None):
        request = urllib.request.Request(
            self.base + path, json.dumps(body).encode() if body is not None else None,
            {"Authorization": f"Bearer {self.key}", "Content-Type": "application/json",
             "Idempotency-Key": f"demo-{time.time_ns()}"}, method=method)
        with urllib.request.urlopen(request, timeout=20) as answer:
            return json.loads(answer.read() or b"null")

    def stop(self):
        self.process.send_signal(signal.SIGINT)
        check(self.process.wait(60) == 0, "Ctrl-C ends it with 0")
        check("stopped, everything kept" in self.log.read_text(), "it says that everything is kept")


class Visitor:
    """Counts clicks, and waits for what a person would wait for."""

    def __init__(self, page, base):
        self.page, self.base, self.clicks = page, base, 0
        self.problems = []
        page.on("console", lambda said: self.problems.append(said.text) if said.type == "error" else None)
        page.on("pageerror", lambda error: self.problems.append(str(error)))

    def click(self, locator):
        self.clicks += 1
        locator.click()

    def step(self, number):
        return self.page.locator(".steps li").nth(number)

    def is_done(self, number):
        return "done" in (self.step(number).get_attribute("class") or "")

    def wait_for(self, what, is_true):
        deadline = time.time() + PATIENCE
        while time.time() < deadline:
            try:
                if is_true():
                    return True
            except Exception:  # The page is on its way.
                pass
            time.sleep(0.1)
        return check(False, what)

    def home(self):
        if self.page.url.split("?")[0].rstrip("/") != self.base:
            self.click(self.page.locator(".side a[href='/']").first)
        self.page.wait_for_selector(".steps li")


def walk_checklist(visitor, report):
    """Each step by its button; it ticks itself while one looks, without loading the page anew."""
    page = visitor.page

    def done(number, name, began):
        visitor.wait_for(f"step {name} ticks itself", lambda: visitor.is_done(number))
        report.append((name, visitor.clicks, time.time() - began))

    for number, name in [(0, "fail"), (1, "open"), (2, "break"), (3, "kill"), (4, "month")]:
        began = time.time()
        visitor.home()
        visitor.click(visitor.step(number).locator("button"))
        if name == "open":
            page.wait_for_url("**/events/evt_*")
            check("believed" in page.content(), "an event's page says why it was believed")
            shoot(page, "event")
            visitor.home()
        if name == "break":
            visitor.wait_for("the button mends", lambda: visitor.step(2).locator("form[action='/demo/mend']").count())
            visitor.wait_for(
                "failed tries are counted", lambda: re.search(r"so far: [1-9]", visitor.step(2).inner_text()))
            shoot(page, "broken")
            visitor.click(visitor.step(2).locator("button"))
        done(number, name, began)
    text = visitor.step(3).inner_text()
    counts = re.search(r"([\d,]+) acknowledged, ([\d,]+) found", text)
    check(counts and counts[1] == counts[2], f"the counts agree: {text}")


pictures = pathlib.Path(tempfile.mkdtemp(prefix="patchbay-demo-pictures-"))


def shoot(page, name):
    page.screenshot(path=str(pictures / f"{name}.png"), full_page=True)


def judge(page, name, url):
    """Axe, sideways scroll and pictures, in each theme and width."""
    for width, height in WIDTHS.items():
        for theme in ["light", "dark"]:
            page.set_viewport_size({"width": width, "height": height})
            page.emulate_media(color_scheme=theme)
            page.goto(url)
            page.wait_for_timeout(400)
            shoot(page, f"{name}-{theme}-{width}")
            found = Axe().run(page, options={"runOnly": {"type": "tag", "values": TAGS}}).response["violations"]
            for violation in found:
                targets = [node["target"] for node in violation["nodes"]][:3]
                check(False, f"axe at {name} {theme} {width}: {violation['id']} {targets}")
            wide = page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth")
            check(not wide, f"{name} at {width} does not scroll sideways")
    page.set_viewport_size({"width": 1280, "height": 900})
    page.emulate_media(color_scheme="light")


def use_bakery(page, demo):
    page.goto(demo.application)
    slider = page.locator("#position")
    slider.focus()
    slider.fill("50")
    expect(page.locator("#pace-words")).to_contain_text("10 events a second")
    page.click("#pause")
    expect(page.locator("#pause")).to_have_text("Go on")
    page.click("#pause")
    expect(page.locator("#pause")).to_have_text("Pause")
    slider.fill("18")
    expect(page.locator("#pace-words")).to_contain_text("every 2 seconds")
    check(page.locator(".members li").count() > 0, "the bakery shows members")
    for headers in [{}, {"Origin": "http://evil.example"}, {"Sec-Fetch-Site": "cross-site"}]:
        request = urllib.request.Request(demo.application + "/failing", b"failing=true", headers, method="POST")
        try:
            urllib.request.urlopen(request, timeout=5)
            check(False, f"the bakery refuses forms of others: {headers}")
        except urllib.error.HTTPError as error:
            check(error.code == 403, f"the bakery refuses forms of others: {headers}")
    return page.locator("details.code-of", has_text="Python").locator("code").text_content()


def verify_by(code, demo):
    """The lines that the page shows, against a delivery that the server sends."""
    taken, arrived = {}, threading.Event()

    class Taker(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            taken["body"] = self.rfile.read(int(self.headers["Content-Length"]))
            taken["headers"] = {name.lower(): value for name, value in self.headers.items()}
            self.send_response(204)
            self.end_headers()
            arrived.set()

        def log_message(self, *_):
            pass

    server = http.server.HTTPServer(("127.0.0.1", 0), Taker)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    endpoint = demo.api("POST", "/v1/endpoints", {"url": f"http://127.0.0.1:{server.server_port}/", "types": ["*"]})
    demo.api("POST", f"/v1/endpoints/{endpoint['id']}/test", {})
    check(arrived.wait(20), "a delivery arrives")
    scope = {}
    exec(compile(code, "verify.py", "exec"), scope)
    verified = scope["verified"]
    check(verified(taken["headers"], taken["body"], endpoint["secret"]) == taken["body"], "the shown Python believes it")
    for body, secret, now in [(taken["body"] + b" ", endpoint["secret"], None),
                              (taken["body"], "whsec_" + "A" * 43 + "=", None),
                              (taken["body"], endpoint["secret"], time.time() + 301)]:
        try:
            verified(taken["headers"], body, secret, now)
            check(False, "the shown Python refuses what was changed")
        except ValueError:
            pass
    demo.api("DELETE", f"/v1/endpoints/{endpoint['id']}")
    server.shutdown()


def use_sandbox(page, demo):
    page.goto(demo.base + "/sandbox")
    page.select_option("select[name=repeat]", "1")
    page.select_option("select[name=error]", "429-retry-after")
    page.click("form[action='/sandbox/faults'] .btn.first")
    page.wait_for_selector(".pill.needs")
    check(page.input_value("select[name=repeat]") == "1", "the switches show what is set")
    check(page.input_value("select[name=error]") == "429-retry-after", "the switches show what is set")
    page.click("form[action='/sandbox/faults'] button[name=off]")
    page.wait_for_selector(".sandbox .pill.ok")
    page.click("form[action='/sandbox/clock'] button >> nth=0")
    page.wait_for_selector(".note")
    page.select_option("select[name=event]", "customer.subscription.updated")
    page.fill("textarea[name=overrides]", "metadata.patchbay_user=from_the_sandbox")
    page.click("form[action='/sandbox/send'] .btn.first")
    page.wait_for_url("**/events*")
    for _ in range(200):
        try:
            if demo.api("GET", "/v1/users/from_the_sandbox")["id"]:
                return
        except urllib.error.HTTPError:
            time.sleep(0.1)
    check(False, "a sample with changes arrives")


def use_mine(page, demo):
    page.goto(demo.base + "/demo/mine")
    page.fill("#secret_key", "sk_live_no")
    page.fill("#webhook_secret", "whsec_no")
    page.click("form[action='/demo/mine'] .btn.first")
    page.wait_for_selector(".wrong")
    key, secret = "sk_test_" + "x" * 24, "whsec_" + "y" * 32
    page.fill("#secret_key", key)
    page.fill("#webhook_secret", secret)
    page.click("form[action='/demo/mine'] .btn.first")
    page.wait_for_selector(".lamp.ok")
    shoot(page, "mine-found")
    check(key not in page.content() and secret not in page.content(), "no secret is shown again")
    check("Webhooks at" in page.content(), "doctor has found the webhook's address")


with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
    demo = Demo(folder)
    browser = playwright.chromium.launch(
        executable_path=os.environ.get("CHROMIUM", "/usr/bin/chromium"),
        args=["--no-sandbox", "--disable-background-networking", "--disable-component-update"])
    page = browser.new_context(viewport={"width": 1280, "height": 900}).new_page()
    visitor, report = Visitor(page, demo.base), []
    began = time.time()
    page.goto(demo.link)
    visitor.clicks += 1
    try:
        page.wait_for_selector(".steps li")
        shoot(page, "now-at-first")
        walk_checklist(visitor, report)
        shoot(page, "now-done")
        total = time.time() - began
        code = use_bakery(page, demo)
        verify_by(code, demo)
        use_sandbox(page, demo)
        use_mine(page, demo)
        for name, url in [("bakery", demo.application), ("now", demo.base), ("sandbox", demo.base + "/sandbox"),
                          ("mine", demo.base + "/demo/mine")]:
            judge(page, name, url)
        fatal = [text for text in visitor.problems if "net::ERR" not in text and "Failed to load" not in text]
        check(not fatal, f"nothing in the console: {fatal[:3]}")
        print(f"first event after {demo.first_event} s; the checklist took {visitor.clicks} clicks and {total:.0f} s:")
        for name, clicks, seconds in report:
            print(f"  {name:6} {seconds:5.1f} s, {clicks} clicks so far")
    finally:
        demo.stop()
        browser.close()
        (pictures / "demo.log").write_text(demo.log.read_text())
        print(f"pictures: {pictures}")
if failures:
    sys.exit(f"{len(failures)} failures")
