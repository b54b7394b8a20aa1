"""dashboard.py [PATCHBAY]: the pages in a real browser, judged by axe-core.

Starts a server of its own on a free port, sends it signed events, sets up an operator, and walks every page in light
and dark at 1280, 390 and 360 pixels: no finding of axe, no sideways scroll, nothing in the console, nothing that the
content policy refused; the same with forced colours, and with text of 200 %. Then what a person does: ten tasks by
keyboard alone; and the same without script. Pictures are kept in a folder that it names.
"""

import base64
import hashlib
import hmac
import json
import os
import pathlib
import re
import secrets
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import sync_playwright

ROOT = pathlib.Path(__file__).resolve().parents[2]
BINARY = sys.argv[1] if len(sys.argv) > 1 else str(ROOT / ".build/debug/patchbay")
WEBHOOK_SECRET = "whsec_" + secrets.token_hex(16)
PASSWORD = "rye and salt every morning"
TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
WIDTHS = {1280: 900, 390: 844, 360: 640}
failures = []


def check(is_true, what):
    if not is_true:
        failures.append(what)
        print("✘", what, flush=True)


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


class Server:
    """A server with its own database, and somebody who sends to it."""

    def __init__(self, folder, tiktok):
        self.base = f"http://127.0.0.1:{free_port()}"
        self.environment = {
            "PATH": os.environ["PATH"], "HOME": os.environ["HOME"], "PATCHBAY_MODE": "test",
            "PATCHBAY_DATABASE_URL": f"sqlite:{folder}/patchbay.sqlite",
            "PATCHBAY_LISTEN": self.base.removeprefix("http://"), "STRIPE_WEBHOOK_SECRET": WEBHOOK_SECRET,
            "PATCHBAY_ALLOW_PRIVATE_ADDRESSES": "127.0.0.0/8", "PATCHBAY_LOG": "text,error",
            "PATCHBAY_PUBLIC_URL": self.base, "PATCHBAY_RETURN_ORIGINS": self.base,
            "TIKTOK_CLIENT_KEY": tiktok["client_key"], "TIKTOK_CLIENT_SECRET": tiktok["client_secret"],
            "TIKTOK_BASE_URL": tiktok["base_url"],
        }
        key = base64.b64encode(secrets.token_bytes(32)).decode()
        self.environment["PATCHBAY_ENCRYPTION_KEYS"] = f"test:{key}"
        self.process = subprocess.Popen(
            [BINARY, "serve"], env=self.environment, stdout=subprocess.PIPE, text=True)
        line = ""
        while "/setup/" not in line:
            line = self.process.stdout.readline()
            if not line:
                sys.exit("The server ended before it printed its first address.")
        self.setup = line.strip()
        for _ in range(100):
            try:
                urllib.request.urlopen(self.base + "/livez", timeout=2)
                return
            except OSError:
                time.sleep(0.1)
        sys.exit("The server does not answer.")

    def send(self, event, secret=WEBHOOK_SECRET):
        body, now = json.dumps(event).encode(), int(time.time())
        signature = hmac.new(secret.encode(), f"{now}.".encode() + body, hashlib.sha256).hexdigest()
        request = urllib.request.Request(
            self.base + "/webhooks/stripe", body, {"Stripe-Signature": f"t={now},v1={signature}"})
        try:
            return urllib.request.urlopen(request, timeout=10).status
        except urllib.error.HTTPError as error:
            return error.code

    def subscription(self, number, user="rye", status="active", kind="customer.subscription.created"):
        return {
            "id": f"evt_{number}", "object": "event", "type": kind, "created": int(time.time()) - 5 + number % 5,
            "livemode": False,
            "data": {"object": {
                "id": f"sub_{user}", "object": "subscription", "customer": f"cus_{user}", "status": status,
                "description": "<img src=x onerror=alert(1)>",
                "metadata": {"patchbay_user": user} if user else {},
                "items": {"data": [{"current_period_end": 1830000000, "price": {"id": "loaf_a_week"}}]}}}}

    def api(self, method, path, body=None):
        """As an application with an admin's key."""
        if not hasattr(self, "key"):
            command = [BINARY, "keys", "create", "--scope", "admin", "--database",
                       self.environment["PATCHBAY_DATABASE_URL"]]
            self.key = subprocess.run(
                command, env=self.environment, capture_output=True, text=True, check=True).stdout.strip()
        headers = {"Authorization": f"Bearer {self.key}", "Content-Type": "application/json", "Prefer": "wait=20"}
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.base + path, data, headers, method=method)
        return json.load(urllib.request.urlopen(request, timeout=60))

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(40)
        except subprocess.TimeoutExpired:
            self.process.kill()


class Watch:
    """What a page says that nobody should hear."""

    def __init__(self, page):
        self.said = []
        page.on("console", lambda message: message.type in ("error", "warning") and self.said.append(message.text))
        page.on("pageerror", lambda error: self.said.append(str(error)))

    def nothing(self, where):
        for text in self.said:
            check(False, f"{where}: {text}")
        self.said.clear()


def walk(context, server, paths, shots, axe):
    page = context.new_page()
    watch = Watch(page)
    for path in paths:
        for theme in ("light", "dark"):
            for width, height in WIDTHS.items():
                context.add_cookies([{"name": "theme", "value": theme, "url": server.base}])
                page.set_viewport_size({"width": width, "height": height})
                page.goto(server.base + path)
                page.wait_for_timeout(150)
                where = f"{path} {theme} {width}"
                wide = page.evaluate("document.documentElement.scrollWidth")
                check(wide <= width, f"{where}: scrolls sideways, {wide} pixels")
                if width != 390:
                    for found in axe.run(page, options={"runOnly": TAGS}).response["violations"]:
                        nodes = "; ".join(node["html"][:160] for node in found["nodes"][:3])
                        check(False, f"{where}: {found['id']} ({found['impact']}): {nodes}")
                name = re.sub(r"[^a-z0-9]+", "-", re.sub(r"(evt|dlv)_\w+", r"\1", path.lower())).strip("-")
                page.screenshot(path=f"{shots}/{name or 'now'}-{theme}-{width}.png", full_page=True)
                if path == "/nowhere":
                    watch.said = [text for text in watch.said if "404" not in text]
                watch.nothing(where)
    page.close()


def look_again(browser, server, state, paths, shots, axe):
    """Forced colours, as a high-contrast theme makes them; and text of 200 %, by larger text and by zoom."""
    for name, options, text in [
        ("forced", {"forced_colors": "active", "viewport": {"width": 1280, "height": 900}}, "100%"),
        ("forced-dark", {"forced_colors": "active", "color_scheme": "dark",
                         "viewport": {"width": 1280, "height": 900}}, "100%"),
        ("text-200", {"viewport": {"width": 1280, "height": 900}}, "200%"),
        ("zoom-200", {"viewport": {"width": 640, "height": 450}, "device_scale_factor": 2}, "100%"),
        ("text-200-phone", {"viewport": {"width": 390, "height": 844}}, "200%"),
    ]:
        context = browser.new_context(storage_state=state, **options)
        page = context.new_page()
        watch = Watch(page)
        for path in paths:
            where = f"{path} {name}"
            page.goto(server.base + path)
            page.evaluate(f"document.documentElement.style.fontSize = '{text}'")
            page.wait_for_timeout(150)
            width = options["viewport"]["width"]
            wide = page.evaluate("document.documentElement.scrollWidth")
            check(wide <= width, f"{where}: scrolls sideways, {wide} pixels")
            clipped = page.evaluate("""() => [...document.querySelectorAll('h1,h2,.btn,.pill,.chip')]
                .filter(e => e.offsetParent && e.scrollHeight > e.clientHeight + 2
                    && getComputedStyle(e).overflowY === 'hidden').map(e => e.outerHTML.slice(0, 120))""")
            check(not clipped, f"{where}: text is cut off: {clipped[:2]}")
            if name.startswith("forced"):
                plain = page.evaluate("""() => [...document.querySelectorAll('svg.lamp')]
                    .filter(e => getComputedStyle(e).forcedColorAdjust !== 'none').length""")
                check(plain == 0, f"{where}: {plain} lamps lose their colours")
            # Forced colours are the reader's own, and axe reads ours beside theirs.
            rules = {"color-contrast": {"enabled": not name.startswith("forced")}}
            for found in axe.run(page, options={"runOnly": TAGS, "rules": rules}).response["violations"]:
                nodes = "; ".join(node["html"][:160] for node in found["nodes"][:3])
                check(False, f"{where}: {found['id']} ({found['impact']}): {nodes}")
            shot = re.sub(r"[^a-z0-9]+", "-", re.sub(r"([a-z]{2,4})_\w+", r"\1", path.lower())).strip("-")
            page.screenshot(path=f"{shots}/{shot or 'now'}-{name}.png", full_page=True)
            if path == "/nowhere":
                watch.said = [said for said in watch.said if "404" not in said]
            watch.nothing(where)
        context.close()


class Hands:
    """A keyboard, and nothing else: what has no key is reached by Tab."""

    def __init__(self, page, server):
        self.page, self.server = page, server

    def press(self, *keys):
        for key in keys:
            self.page.keyboard.press(key)

    def leads(self, *keys):
        with self.page.expect_navigation():
            self.press(*keys)

    def tab_to(self, name, role=None, most=200):
        """Walks by Tab to what has this name; the focus must be seen on each step."""
        for _ in range(most):
            self.press("Tab")
            at = self.page.evaluate("""() => { const e = document.activeElement; const s = getComputedStyle(e);
                return { name: (e.getAttribute('aria-label') || e.labels?.[0]?.textContent || e.textContent || '').trim(),
                         tag: e.tagName.toLowerCase(), seen: e.matches(':focus-visible') }; }""")
            if at["tag"] == "body":
                continue
            check(at["seen"], f"the focus is not seen on {at['tag']} {at['name'][:40]}")
            if name.lower() in at["name"].lower() and (role is None or at["tag"] == role):
                return True
        check(False, f"Tab does not reach {name!r} on {self.page.url}")
        return False

    def type(self, text):
        self.page.keyboard.type(text)


def ten_tasks(context, server):
    """What an operator does most, without a pointer."""
    page = context.new_page()
    watch = Watch(page)
    page.set_viewport_size({"width": 1280, "height": 900})
    hands = Hands(page, server)
    page.goto(server.base + "/")

    # 1. Skip what is the same on every page.
    hands.press("Tab")
    check("skip" in page.evaluate("document.activeElement.className"), "the first Tab is the skip link")
    hands.press("Enter")
    check(page.evaluate("document.activeElement.id") == "main", "it leads to the content")

    # 2. Find something by its id.
    hands.press("Escape", "/")
    hands.type("evt_5")
    page.wait_for_timeout(600)
    hands.leads("Enter")
    check("evt_5" in page.content(), "an event is found by the platform's id")

    # 3. Filter the events.
    hands.leads("g", "e")
    hands.press("f")
    hands.type("user:rye")
    hands.leads("Enter")
    check("user%3Arye" in page.url, "a filter is typed and sent")

    # 4. Open one of the list.
    hands.press("j", "j", "k")
    hands.leads("Enter")
    check("/events/evt_" in page.url, "a row is opened")

    # 5. Go up by Escape.
    hands.leads("Escape")
    check("/events" in page.url, "Escape goes up")

    # 6. See why a job waits, and cancel it.
    hands.leads("g", "j")
    hands.press("j")
    hands.leads("Enter")
    check("/jobs/job_" in page.url, "a job is opened")

    # 7. Decide a question.
    hands.leads("g", "r")
    check("/review" in page.url, "g r leads to the reviews")
    hands.leads("x")
    check("held=" in page.url and "takes effect" in page.content(), "a question is decided by its key")
    hands.leads("u")
    check("note=undone" in page.url, "and taken back by u")

    # 8. Make an endpoint.
    page.goto(server.base + "/endpoints/new")
    if hands.tab_to("", role="input") and page.evaluate("document.activeElement.name") != "url":
        for _ in range(40):
            if page.evaluate("document.activeElement.name") == "url":
                break
            hands.press("Tab")
    check(page.evaluate("document.activeElement.name") == "url", "the address is reached by Tab")
    hands.type(server.base + "/hook")
    hands.leads("Enter")
    check("whsec_" in page.content(), "an endpoint is made, its secret is shown")

    # 9. Make a key of the API.
    page.goto(server.base + "/system/keys")
    for _ in range(120):
        hands.press("Tab")
        if page.evaluate("document.activeElement.name") == "name":
            break
    check(page.evaluate("document.activeElement.name") == "name", "the key's name is reached by Tab")
    hands.type("keyboard")
    hands.leads("Enter")
    check("pb_test_" in page.content(), "a key is made and shown once")
    key = re.search(r"pb_test_[A-Za-z0-9]+", page.content()).group(0)

    # 10. Change the theme.
    page.goto(server.base + "/account")
    if hands.tab_to("Dark", role="button"):
        hands.leads("Enter")
        check(page.locator("html").get_attribute("data-theme") == "dark", "the theme is changed")
    watch.nothing("ten tasks")
    page.close()
    return key


def sends(context, server, key, shots, axe):
    """The documentation's requests, sent with a pasted key."""
    page = context.new_page()
    watch = Watch(page)
    page.set_viewport_size({"width": 1280, "height": 900})
    page.goto(server.base + "/docs/events")
    button = page.get_by_role("button", name="Send GET /v1/events?limit=2")
    button.click()
    check(page.locator("text=Paste an API key above first").count() == 1, "without a key it says what is missing")
    page.get_by_label("API key").fill(key)
    button.click()
    answer = page.locator("#listEvents .shown pre").last
    answer.wait_for()
    check('"data": [' in answer.inner_text(), "the real answer is shown")
    check(page.locator("#listEvents [role=status]").inner_text().startswith("200 in "), "with its status")
    page.get_by_label("API key").fill("pb_test_of_nobody")
    button.click()
    page.locator("#listEvents [role=status]", has_text="401").wait_for()
    watch.said = [said for said in watch.said if "401" not in said]
    for found in axe.run(page, options={"runOnly": TAGS}).response["violations"]:
        nodes = "; ".join(node["html"][:160] for node in found["nodes"][:3])
        check(False, f"docs: {found['id']} ({found['impact']}): {nodes}")
    page.screenshot(path=f"{shots}/docs-sent.png")
    watch.nothing("docs")
    page.close()


def act(context, server):
    """Sees an event come, goes to it by keys, replays it."""
    page = context.new_page()
    watch = Watch(page)
    page.set_viewport_size({"width": 1280, "height": 900})
    page.goto(server.base + "/events")
    page.wait_for_timeout(1500)
    check(server.send(server.subscription(901, status="past_due", kind="customer.subscription.updated")) == 200,
          "the event is taken")
    chip = page.locator("a.chip.new")
    chip.wait_for(timeout=8000)
    with page.expect_navigation():
        page.keyboard.press("g")
        page.keyboard.press("n")
    page.keyboard.press("j")
    with page.expect_navigation():
        page.keyboard.press("Enter")
    check("customer.subscription.updated" in page.locator("h1").inner_text(), "the newest event is opened by keys")
    check(page.locator("text=HMAC-SHA256 agrees").count() == 1, "the page says why it was believed")
    page.keyboard.press("r")
    page.wait_for_url("**/replay")
    page.get_by_role("button", name="Replay for real").click()
    page.wait_for_url("**note=replayed")
    page.keyboard.press("/")
    check(page.evaluate("document.activeElement.id") == "find", "/ goes to the search")
    watch.nothing("by keys")
    page.close()


def without_script(browser, server, state):
    context = browser.new_context(java_script_enabled=False, storage_state=state)
    page = context.new_page()
    page.goto(server.base + "/docs/events")
    check("curl " in page.content() and page.locator("button").count() == 0, "the documentation shows curl only")
    page.goto(server.base + "/events")
    page.fill("#filter", "state:refused")
    page.press("#filter", "Enter")
    check("state%3Arefused" in page.url, "the filter works without script")
    page.locator("table a.row-to").first.click()
    check("No active secret" in page.content(), "a refused delivery says why, without script")
    page.goto(server.base + "/events")
    page.locator("table a.row-to").first.click()
    page.get_by_role("link", name="Headers").click()
    check("view=headers" in page.url, "tabs work without script")
    page.goto(server.base + "/account")
    page.get_by_role("button", name="한국어").first.click()
    check(page.locator("html").get_attribute("lang") == "ko", "the language changes without script")
    context.close()


def film(path):
    """Ten seconds of H.264, as far as headers go."""
    def box(kind, *content):
        body = b"".join(content)
        return struct.pack(">I", 8 + len(body)) + kind + body

    def full(kind, version, flags, *content):
        return box(kind, struct.pack(">B", version) + flags.to_bytes(3, "big"), *content)

    matrix = struct.pack(">9i", 0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x40000000)
    movie = full(b"mvhd", 0, 0, struct.pack(">IIIIIH", 0, 0, 1000, 10000, 0x10000, 0x100), b"\0" * 10, matrix,
                 b"\0" * 24, struct.pack(">I", 2))
    track = full(b"tkhd", 0, 7, struct.pack(">IIIII", 0, 0, 1, 0, 10000), b"\0" * 8,
                 struct.pack(">hhHH", 0, 0, 0, 0), matrix, struct.pack(">II", 720 << 16, 1280 << 16))
    media = full(b"mdhd", 0, 0, struct.pack(">IIIIHH", 0, 0, 30000, 300000, 0x55C4, 0))
    handler = full(b"hdlr", 0, 0, b"\0" * 4, b"vide", b"\0" * 12, b"v\0")
    picture = box(b"avc1", b"\0" * 6, struct.pack(">H", 1), b"\0" * 16,
                  struct.pack(">HHIIIH", 720, 1280, 0x480000, 0x480000, 0, 1), b"\0" * 32,
                  struct.pack(">Hh", 24, -1))
    table = box(b"stbl", full(b"stsd", 0, 0, struct.pack(">I", 1), picture),
                full(b"stts", 0, 0, struct.pack(">III", 1, 300, 1000)),
                full(b"stsc", 0, 0, struct.pack(">I", 0)), full(b"stsz", 0, 0, struct.pack(">II", 1000, 300)),
                full(b"stco", 0, 0, struct.pack(">I", 0)))
    inside = box(b"mdia", media, handler, box(b"minf", full(b"vmhd", 0, 1, b"\0" * 8), table))
    head = box(b"ftyp", b"isom", struct.pack(">I", 512), b"isomavc1mp41")
    path.write_bytes(head + box(b"moov", movie, box(b"trak", track, inside)) + box(b"mdat", secrets.token_bytes(99_000)))


def publishes(browser, context, server, folder, shots, axe):
    """A post from the form, with faults first; its place in the calendar, moved by keys; the account's data."""
    user = browser.new_page()
    user.goto(server.api("POST", "/v1/connect-sessions", {"user_id": "rye", "provider": "tiktok"})["url"])
    user.get_by_text("Continue to TikTok").first.click()
    user.locator("button").first.click()
    user.wait_for_url(server.base + "/**")
    user.close()
    account = server.api("GET", "/v1/connections")["data"][0]["id"]
    server.api("POST", f"/v1/connections/{account}/syncs", {})
    clip = pathlib.Path(folder) / "rye.mp4"
    film(clip)
    page = context.new_page()
    watch = Watch(page)
    page.goto(server.base + "/publish")
    page.keyboard.press("n")
    page.wait_for_url("**/publish/new")
    page.check(f'[name="to.{account}"]')
    level = page.locator(f'[name="o.{account}.privacy_level"]')
    level.wait_for()
    check(level.input_value() == "", "no privacy level is chosen beforehand")
    page.fill("#text", "x" * 2201)
    page.locator("[data-fault=text]", has_text="TikTok takes 2200").wait_for()
    check(page.locator(f'[data-count="{account}"]').inner_text() == "2,201 of 2,200 characters", "it is counted")
    page.fill("#text", "Rye is back #bread")
    page.locator("[data-fault=text]").wait_for(state="hidden")
    page.set_input_files("#file", clip)
    page.get_by_role("button", name="Publish", exact=True).click()
    page.locator("[data-focus]").wait_for()
    check(page.evaluate("document.activeElement.matches('[data-focus]')"), "the list of faults has the focus")
    check(page.locator("#object_id option:checked").inner_text().startswith("rye.mp4"), "the file is kept")
    for found in axe.run(page, options={"runOnly": TAGS}).response["violations"]:
        check(False, f"a refused post: {found['id']}: {found['nodes'][0]['html'][:160]}")
    watch.said = [said for said in watch.said if "422" not in said]
    level.select_option("SELF_ONLY")
    page.check('[name="when"][value="at"]')
    page.get_by_role("button", name="Publish", exact=True).click()
    page.wait_for_url("**/publish/pub_*")
    post = page.url.split("/")[-1].split("?")[0]
    before = server.api("GET", f"/v1/publications/{post}")["publish_at"]
    page.goto(server.base + "/publish?view=list")
    page.goto(server.base + f"/publish?view=day&date={page.evaluate('t => new Date(t).toLocaleDateString(`sv`)', before)}")
    page.locator(".wide-only [data-move]").first.focus()
    for key in ("m", "ArrowDown", "ArrowDown", "ArrowRight", "Enter"):
        page.keyboard.press(key)
    page.wait_for_url("**note=publication_moved*")
    after = server.api("GET", f"/v1/publications/{post}")["publish_at"]
    seconds = page.evaluate("([a, b]) => (new Date(b) - new Date(a)) / 1000", [before, after])
    check(seconds == 86400 + 1800, f"keys moved it by {seconds} s")
    page.goto(server.base + f"/sync/{account}/videos")
    row = page.locator(".records a.row-to").first.get_attribute("href")
    page.get_by_role("button", name="Compare with the platform").click()
    page.wait_for_url("**/reconciliations/*")
    compared = "/" + "/".join(page.url.split("?")[0].split("/")[3:])
    page.get_by_text("was here and the same").wait_for()
    watch.nothing("publishing")
    page.close()
    walk(context, server, [
        "/publish", "/publish?view=day", "/publish?view=month", "/publish?view=list", f"/publish/{post}",
        f"/publish/new?to={account}", "/sync", f"/sync/{account}/videos", row, compared], shots, axe)
    plain = browser.new_context(storage_state=context.storage_state(), java_script_enabled=False)
    page = plain.new_page()
    page.goto(server.base + "/publish/new")
    page.check(f'[name="to.{account}"]')
    page.get_by_role("button", name="Show their options").click()
    page.locator(f'[name="o.{account}.mode"]').select_option("inbox")
    page.set_input_files("#file", clip)
    page.get_by_role("button", name="Publish", exact=True).click()
    page.wait_for_url("**/publish/pub_*")
    plain.close()


def main():
    shots = tempfile.mkdtemp(prefix="patchbay-pictures-")
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        sandbox = subprocess.Popen([BINARY, "sandbox", "--ephemeral", "--seed", "7"], stdout=subprocess.PIPE, text=True)
        server = Server(folder, json.loads(sandbox.stdout.readline())["tiktok"])
        try:
            browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
            context = browser.new_context(timezone_id="Asia/Seoul")
            page = context.new_page()
            page.goto(server.setup)
            axe = Axe()
            for found in axe.run(page, options={"runOnly": TAGS}).response["violations"]:
                check(False, f"setup: {found['id']}: {found['nodes'][0]['html'][:160]}")
            page.fill("#name", "ops@rye.example")
            page.fill("#password", PASSWORD)
            page.fill("#again", PASSWORD)
            page.get_by_role("button", name="Set and sign in").click()
            page.wait_for_url(server.base + "/")
            page.close()
            walk(context, server, ["/"], shots, axe)  # As a new instance shows it.
            for number in range(60):
                server.send(server.subscription(number, user=["rye", "ben", "dan"][number % 3]))
            server.send(server.subscription(1), secret="whsec_of_somebody_else")
            server.send(server.subscription(2))
            server.send(server.subscription(800, user=""))
            time.sleep(1.5)
            page = context.new_page()
            page.goto(server.base + "/events")
            event = page.locator("table a.row-to").nth(3).get_attribute("href")
            page.goto(server.base + "/events?q=state%3Arefused")
            refused = page.locator("table a.row-to").first.get_attribute("href")
            page.close()
            walk(context, server, [
                "/", "/events", event, event + "?view=bytes", event + "/replay", "/events/replay?q=state%3Aapplied",
                refused, "/account", "/connections", "/nowhere"], shots, axe)
            act(context, server)
            state = context.storage_state()
            look_again(browser, server, state, [
                "/", "/events", event, event + "/replay", refused, "/jobs", "/review", "/endpoints", "/endpoints/new",
                "/users", "/users/rye", "/system", "/system/keys", "/system/apps", "/system/audit", "/system/storage",
                "/system/settings", "/search?q=rye", "/account", "/nowhere"], shots, axe)
            key = ten_tasks(context, server)
            sends(context, server, key, shots, axe)
            without_script(browser, server, state)
            publishes(browser, context, server, folder, shots, axe)
            sign_in = browser.new_context()
            page = sign_in.new_page()
            page.goto(server.base + "/sign-in")
            page.fill("#name", "ops@rye.example")
            page.fill("#password", "no")
            page.get_by_role("button", name="Sign in").click()
            for found in axe.run(page, options={"runOnly": TAGS}).response["violations"]:
                check(False, f"sign-in: {found['id']}: {found['nodes'][0]['html'][:160]}")
            check("4 tries are left" in page.content(), "the sign-in says how many tries are left")
            page.screenshot(path=f"{shots}/sign-in.png")
            browser.close()
        finally:
            server.stop()
            sandbox.terminate()
            sandbox.wait(40)
    print(f"{len(failures)} failures; pictures in {shots}")
    sys.exit(1 if failures else 0)


main()
