"""Connects accounts at django-oauth-toolkit through a running Patchbay, and keeps them alive: oauth.py PATCHBAY"""
import base64
import http.client
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.parse

PATCHBAY = os.path.abspath(sys.argv[1])
FOLDER = tempfile.mkdtemp(prefix="patchbay-oauth.")
POSTGRES = os.environ.get("PATCHBAY_TEST_POSTGRES")
failures = []


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


PLATFORM, PORTS = free_port(), [free_port(), free_port()]
PUBLIC = f"http://127.0.0.1:{PORTS[0]}"
DATABASE = f"sqlite:{FOLDER}/patchbay.sqlite"


def check(claim, holds, more=""):
    print(("ok    " if holds else "FAIL  ") + claim + (f": {more}" if more and not holds else ""), flush=True)
    if not holds:
        failures.append(claim)


def switch(name, on):
    path = os.path.join(FOLDER, name)
    if on:
        open(path, "w").close()
    elif os.path.exists(path):
        os.remove(path)


def grants(kind):
    path = os.path.join(FOLDER, "log")
    lines = open(path).read().splitlines() if os.path.exists(path) else []
    return [line.split()[1] for line in lines if line.startswith(kind)]


def start(port):
    environment = {
        "PATH": os.environ["PATH"], "PATCHBAY_MODE": "test", "PATCHBAY_DATABASE_URL": DATABASE,
        "PATCHBAY_LISTEN": f"127.0.0.1:{port}", "PATCHBAY_PUBLIC_URL": PUBLIC, "PATCHBAY_LOG": "text,info",
        "PATCHBAY_ENCRYPTION_KEYS": "k1:" + base64.b64encode(b"k" * 32).decode(),
        "PATCHBAY_RETURN_ORIGINS": "http://127.0.0.1:9", "OAUTH_NAME": "Alice's",
        "OAUTH_CLIENT_ID": "cid", "OAUTH_CLIENT_SECRET": "csec", "OAUTH_SCOPES": "read write",
        "OAUTH_AUTHORIZE_URL": f"http://127.0.0.1:{PLATFORM}/o/authorize/",
        "OAUTH_TOKEN_URL": f"http://127.0.0.1:{PLATFORM}/o/token/",
        "OAUTH_REVOKE_URL": f"http://127.0.0.1:{PLATFORM}/o/revoke_token/",
        "OAUTH_PROFILE_URL": f"http://127.0.0.1:{PLATFORM}/me/",
    }
    log = open(os.path.join(FOLDER, f"server-{port}.log"), "a")
    server = subprocess.Popen([PATCHBAY, "serve"], env=environment, stdout=log, stderr=log)
    for _ in range(300):
        try:
            with socket.create_connection(("127.0.0.1", port), 1):
                return server
        except OSError:
            if server.poll() is not None:
                sys.exit(open(os.path.join(FOLDER, f"server-{port}.log")).read())
            time.sleep(0.1)
    sys.exit("patchbay did not start")


def send(method, url, headers=(), body=None):
    parts = urllib.parse.urlsplit(url)
    connection = http.client.HTTPConnection(parts.netloc, timeout=40)
    target = parts.path + ("?" + parts.query if parts.query else "")
    connection.request(method, target, body, dict(headers))
    answer = connection.getresponse()
    return answer.status, answer.headers, answer.read()


def api(method, path, body=None, port=None):
    headers = {"Authorization": f"Bearer {KEY}"}
    data = None
    if body is not None:
        data, headers["Content-Type"] = json.dumps(body), "application/json"
    status, _, text = send(method, f"http://127.0.0.1:{port or PORTS[0]}{path}", headers, data)
    return status, json.loads(text) if text else None


def abandoned(url):
    """A request whose server dies."""
    try:
        send("POST", url, {"Authorization": f"Bearer {KEY}"})
    except (OSError, http.client.HTTPException):
        pass


class Browser:
    """Keeps cookies and follows from page to page, but not back to the application."""

    def __init__(self, callback_port=None):
        self.cookies, self.callback_port = {}, callback_port

    def get(self, url, form=None):
        headers = {"Cookie": "; ".join(f"{k}={v}" for k, v in self.cookies.items())} if self.cookies else {}
        if form is not None:
            headers |= {"Origin": PUBLIC, "Content-Type": "application/x-www-form-urlencoded"}
        status, answered, text = send("GET" if form is None else "POST", url, headers, form)
        for line in answered.get_all("Set-Cookie") or []:
            name, value = line.split(";")[0].split("=", 1)
            self.cookies[name] = value
        return status, answered.get("Location"), text.decode("utf-8", "replace")

    def connect(self, url, deny=False):
        status, location, text = self.get(url)
        if location is None:
            form = re.search(r'action="(/connect/[^"]+/go)"><input type="hidden" name="token" value="([^"]+)"', text)
            status, location, text = self.get(PUBLIC + form.group(1), "token=" + form.group(2))
        assert location.startswith(f"http://127.0.0.1:{PLATFORM}/o/authorize/"), location
        status, location, text = self.get(location + ("&deny=1" if deny else ""))
        assert location and location.startswith(PUBLIC + "/callback/generic"), (status, location, text[:500])
        if self.callback_port:
            location = location.replace(PUBLIC, f"http://127.0.0.1:{self.callback_port}", 1)
        self.callback = location
        return self.get(location)


def session(user, **more):
    status, body = api("POST", "/v1/connect-sessions", {"user_id": user, "provider": "generic", **more})
    assert status == 201, body
    return body


def wait(what, holds, seconds=40):
    end = time.time() + seconds
    while time.time() < end:
        if holds():
            return check(what, True)
        time.sleep(0.3)
    check(what, False, "not within %d s" % seconds)


def connection(id):
    return api("GET", f"/v1/connections/{id}")[1]


platform = subprocess.Popen(
    [sys.executable, os.path.join(os.path.dirname(__file__), "oauth_server.py"), str(PLATFORM), "12", FOLDER,
     PUBLIC + "/callback/generic"], stdout=subprocess.PIPE)
servers = []
try:
    platform.stdout.readline()
    if POSTGRES:
        DATABASE = POSTGRES
    servers.append(start(PORTS[0]))
    if POSTGRES:
        servers.append(start(PORTS[1]))
    KEY = subprocess.run(
        [PATCHBAY, "keys", "create", "--scope", "admin", "--database", DATABASE],
        env={"PATH": os.environ["PATH"], "PATCHBAY_MODE": "test"}, capture_output=True, text=True, check=True,
    ).stdout.strip()

    begun = session("user-1")
    status, _, text = Browser(PORTS[1] if POSTGRES else None).connect(begun["url"])
    check("a person consents and the page says so" + (" (callback at another node)" if POSTGRES else ""),
          status == 200 and "Alice is connected" in text, f"{status} {text[-300:]}")
    first = api("GET", f"/v1/connect-sessions/{begun['id']}")[1]["connection_id"]
    row = connection(first)
    check("active, named, whole", (row["state"], row["account_id"], row["missing_scopes"]) == ("active", "alice", []), row)

    browser = Browser()
    begun = session("user-2", return_url="http://127.0.0.1:9/back")
    status, location, _ = browser.connect(begun["url"])
    query = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(location).query))
    check("back to the application with a code", status == 303 and query["connect_session"] == begun["id"], location)
    status, body = api("POST", f"/v1/connect-sessions/{begun['id']}/confirm", {"code": query["code"], "user_id": "user-2"})
    check("confirmed", status == 200 and body["state"] == "connected", body)
    second = body["connection_id"]
    again = browser.get(browser.callback)
    check("the same callback once more is refused", again[0] == 410, again[0])

    status, _, text = Browser().connect(session("user-3")["url"], deny=True)
    check("who says no is told so", status == 400 and "You said no" in text, status)

    check("codes were exchanged once each", grants("authorization_code") == ["200", "200"], grants("authorization_code"))
    before = len(grants("refresh_token"))
    wait("tokens of 12 seconds are refreshed again and again", lambda: len(grants("refresh_token")) >= before + 6)
    check("no refresh was refused: nobody used an old token", set(grants("refresh_token")) == {"200"})

    switch("slow", True)
    before = len(grants("refresh_token"))
    threads = [threading.Thread(target=api, args=("POST", f"/v1/connections/{first}/refresh", None, port))
               for port in (PORTS if POSTGRES else PORTS[:1]) * 10]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    switch("slow", False)
    check("twenty at once, and a slow platform: it is never asked with an old token",
          set(grants("refresh_token")[before:]) == {"200"}, grants("refresh_token")[before:])
    check("the connection is well", connection(first)["state"] in ("active", "refreshing"), connection(first))

    switch("down", True)
    wait("a platform that is down is asked again", lambda: "503" in grants("refresh_token"))
    time.sleep(8)
    states = {connection(id)["state"] for id in (first, second)}
    check("and costs no connection", states <= {"active", "refreshing"}, states)
    switch("down", False)
    after = len(grants("refresh_token"))
    wait("afterwards both are refreshed", lambda: grants("refresh_token")[after:].count("200") >= 2, 90)
    states = {connection(id)["state"] for id in (first, second)}
    check("and are well", states <= {"active", "refreshing"}, states)

    # The process dies while the platform thinks; the next one goes on.
    switch("slow", True)
    before = len(grants("refresh_token"))
    threading.Thread(target=abandoned, args=(f"{PUBLIC}/v1/connections/{second}/refresh",), daemon=True).start()
    time.sleep(1.5)
    servers[0].kill()
    servers[0].wait()
    time.sleep(3)
    switch("slow", False)
    servers[0] = start(PORTS[0])
    row = connection(second)
    check("killed in the middle of a refresh: it is not given up", row["state"] in ("active", "refreshing", "suspect"), row)
    wait("a refresh that nobody heard of leaves it with a word, never silently dead",
         lambda: connection(second)["state"] == "needs_reconnect" or connection(second)["state"] == "active"
         and connection(second)["attention"] is None, 150)
    wait("the other one is well", lambda: connection(first)["state"] in ("active", "refreshing"))
    row = connection(second)
    if row["state"] == "needs_reconnect":
        types = [c["type"] for c in api("GET", "/v1/changes?after=0&limit=100")[1]["data"]]
        check("followers heard of it", "connection.needs_reconnect" in types, types)
        begun = session("user-2", connection_id=second)
        status, _, _ = Browser().connect(begun["url"])
        check("connected again, it is the same connection",
              status == 200 and connection(second)["state"] == "active", (status, connection(second)))

    before = len(grants("refresh_token"))
    status, _ = api("DELETE", f"/v1/connections/{first}")
    check("disconnected", status == 204 and connection(first)["state"] == "revoked", status)
    logs = "".join(open(os.path.join(FOLDER, name)).read() for name in os.listdir(FOLDER) if name.endswith(".log"))
    check("no token, code or secret stands in the logs", "csec" not in logs and "code=" not in logs)
finally:
    for process in servers + [platform]:
        process.kill()
        process.wait()
    if failures:
        for name in sorted(os.listdir(FOLDER)):
            if name.endswith(".log"):
                print(f"--- {name}\n" + "".join(open(os.path.join(FOLDER, name)).readlines()[-30:]))
    shutil.rmtree(FOLDER, ignore_errors=True)
print(f"{len(failures)} failed")
sys.exit(1 if failures else 0)
