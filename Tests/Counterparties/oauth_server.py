"""django-oauth-toolkit on 127.0.0.1, only configured here: oauth_server.py PORT ACCESS_SECONDS FOLDER REDIRECT

Issuer http://127.0.0.1:PORT/o; client cid / csec. Every browser is signed in as alice, consent is given at once.
`&deny=1` at the authorize page refuses. Files in FOLDER switch faults: `down` answers 503, `slow` waits three seconds,
`deaf` takes the request and closes without an answer. `log` names every grant that was asked for and its status.
"""
import os
import socket
import sys
import time
import urllib.parse

PORT, LIFE, FOLDER, REDIRECT = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3], sys.argv[4]
sys.modules["oauth_server"] = sys.modules["__main__"]

import django
from django.conf import settings

settings.configure(
    DEBUG=False,
    SECRET_KEY="for-tests-only-" * 4,
    ROOT_URLCONF="oauth_server",
    ALLOWED_HOSTS=["*"],
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": os.path.join(FOLDER, "oauth.sqlite3")}},
    INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes", "django.contrib.sessions", "oauth2_provider"],
    MIDDLEWARE=["django.contrib.sessions.middleware.SessionMiddleware", "oauth_server.SignedIn"],
    DEFAULT_AUTO_FIELD="django.db.models.AutoField",
    USE_TZ=True,
    OAUTH2_PROVIDER={
        "PKCE_REQUIRED": True,
        "ROTATE_REFRESH_TOKEN": True,
        "REFRESH_TOKEN_GRACE_PERIOD_SECONDS": 0,
        "REFRESH_TOKEN_REUSE_PROTECTION": True,
        "ACCESS_TOKEN_EXPIRE_SECONDS": LIFE,
        "ALLOWED_REDIRECT_URI_SCHEMES": ["http", "https"],
        "SCOPES": {"read": "read", "write": "write"},
    },
)
django.setup()

from django.contrib.auth import get_user_model
from django.contrib.auth.models import AnonymousUser
from django.core.management import call_command
from django.core.wsgi import get_wsgi_application
from django.http import HttpResponse, HttpResponseRedirect, JsonResponse
from django.urls import include, path
from oauth2_provider.decorators import protected_resource


def switch(name):
    return os.path.exists(os.path.join(FOLDER, name))


class SignedIn:
    """Every visitor of the authorize page is alice; the other endpoints get no user."""

    def __init__(self, get_response):
        self.get_response = get_response

    def __call__(self, request):
        request._dont_enforce_csrf_checks = True
        if request.path.endswith("/token/"):
            return self.token(request)
        if not request.path.endswith("/authorize/"):
            request.user = AnonymousUser()
            return self.get_response(request)
        if request.GET.get("deny"):
            query = {"error": "access_denied", "state": request.GET.get("state", "")}
            return HttpResponseRedirect(request.GET["redirect_uri"] + "?" + urllib.parse.urlencode(query))
        request.user = get_user_model().objects.get(username="alice")
        return self.get_response(request)

    def token(self, request):
        request.user = AnonymousUser()
        grant = request.POST.get("grant_type", "?")
        if switch("slow"):
            time.sleep(3)
        response = HttpResponse(status=503) if switch("down") else self.get_response(request)
        with open(os.path.join(FOLDER, "log"), "a") as log:
            log.write(f"{grant} {response.status_code}\n")
        if switch("deaf"):
            request.environ["wsgi.input"].raw._sock.shutdown(socket.SHUT_RDWR)
        return response


@protected_resource()
def me(request):
    return JsonResponse({"sub": request.resource_owner.username, "name": "Alice"})


urlpatterns = [path("o/", include("oauth2_provider.urls", namespace="oauth2_provider")), path("me/", me)]
application = get_wsgi_application()

if __name__ == "__main__":
    from socketserver import ThreadingMixIn
    from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

    from oauth2_provider.models import Application

    call_command("migrate", verbosity=0)
    user, _ = get_user_model().objects.get_or_create(username="alice", defaults={"email": "alice@example.org"})
    Application.objects.update_or_create(
        client_id="cid",
        defaults=dict(
            client_secret="csec", hash_client_secret=False, client_type="confidential",
            authorization_grant_type="authorization-code", redirect_uris=REDIRECT, skip_authorization=True,
            user=user, name="cid",
        ),
    )

    class Quiet(WSGIRequestHandler):
        def log_message(self, *args):
            pass

    class Threaded(ThreadingMixIn, WSGIServer):
        daemon_threads = True

    print("ready", flush=True)
    make_server("127.0.0.1", PORT, application, server_class=Threaded, handler_class=Quiet).serve_forever()
