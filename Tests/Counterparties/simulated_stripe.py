"""The flows of simulated-stripe: `simulated_stripe.py PATCHBAY [NAME…]` runs all, or those whose names are given."""

import concurrent.futures
import http.server
import json
import re
import subprocess
import sys
import threading
import time
import traceback
import typing
import urllib.error
import urllib.parse
import urllib.request

import stripe

DAY = 86_400


class Hooks:
    """A receiver that keeps what it is sent, with its signature header."""

    def __init__(self):
        self.received, self.statuses = [], []
        hooks = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                hooks.received.append((body, self.headers["Stripe-Signature"]))
                self.send_response(hooks.statuses.pop(0) if hooks.statuses else 200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/hooks"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def types(self):
        return [json.loads(body)["type"] for body, _ in self.received]

    def wait(self, *types):
        """Until each of these has come."""
        for _ in range(200):
            if all(self.types().count(t) >= types.count(t) for t in types):
                return self.types()
            time.sleep(0.05)
        raise AssertionError(f"waited for {types}, got {self.types()}")


class Sandbox:
    def __init__(self, patchbay, *flags):
        self.hooks = Hooks()
        self.process = subprocess.Popen(
            [patchbay, "sandbox", "--ephemeral", "--seed", "7", "--webhook-url", self.hooks.url, *flags],
            stdout=subprocess.PIPE, text=True)
        told = json.loads(self.process.stdout.readline())
        self.control, self.base = told["control"], told["stripe"]["base_url"]
        self.key, self.secret = told["stripe"]["secret_key"], told["stripe"]["webhook_secret"]
        self.client = self.with_key(self.key)

    def with_key(self, key, **more):
        return stripe.StripeClient(key, base_addresses={"api": self.base}, **more)

    def tell(self, method, path, body=None):
        request = urllib.request.Request(
            self.control + path, method=method, data=None if body is None else json.dumps(body).encode())
        with urllib.request.urlopen(request, timeout=60) as answer:
            text = answer.read()
        return json.loads(text) if text else None

    def advance(self, seconds):
        return self.tell("POST", "/clock", {"advance_seconds": seconds})

    def post(self, url, **form):
        """A person's form; the address that the answer sends to."""
        class Stay(urllib.request.HTTPRedirectHandler):
            def redirect_request(self, *_):
                return None
        try:
            with urllib.request.build_opener(Stay).open(url, urllib.parse.urlencode(form).encode(), timeout=10) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.headers.get("Location", "")


# ---- What the library's types say of an object

def problems(value, hint, path, found):
    """Where a value is not what the library's generated type says."""
    origin = typing.get_origin(hint)
    if origin is typing.Union:
        options = [h for h in typing.get_args(hint)]
        if value is None:
            if type(None) not in options:
                found.append(f"{path} is null")
            return
        attempts = []
        for option in options:
            if option is type(None):
                continue
            inner = []
            problems(value, option, path, inner)
            if not inner:
                return
            attempts.append(inner)
        found.extend(min(attempts, key=len))
    elif origin is typing.Literal:
        if value not in typing.get_args(hint):
            found.append(f"{path} is {value!r}")
    elif origin in (list, typing.List) or getattr(hint, "__name__", "") == "ListObject":
        if isinstance(value, dict):
            if value.get("object") != "list":
                found.append(f"{path} is no list")
                return
            value = value.get("data", [])
        if not isinstance(value, list):
            found.append(f"{path} is no list")
            return
        for number, element in enumerate(value):
            for argument in typing.get_args(hint)[:1]:
                problems(element, argument, f"{path}[{number}]", found)
    elif origin is not None and getattr(origin, "__name__", "") == "ListObject":
        if not isinstance(value, dict) or value.get("object") != "list":
            found.append(f"{path} is no list")
            return
        for number, element in enumerate(value["data"]):
            problems(element, typing.get_args(hint)[0], f"{path}.data[{number}]", found)
    elif hint in (int, bool, str, float):
        kinds = {int: int, bool: bool, str: str, float: (int, float)}
        if not isinstance(value, kinds[hint]) or hint is int and isinstance(value, bool):
            found.append(f"{path} is {value!r}, not {hint.__name__}")
    elif isinstance(hint, type) and issubclass(hint, stripe.StripeObject):
        if not isinstance(value, dict):
            found.append(f"{path} is no object")
            return
        members(value, hint, path, found)


def members(value, cls, path, found):
    try:
        hints = typing.get_type_hints(cls, vars(sys.modules[cls.__module__]) | vars(stripe))
    except Exception:
        hints = {}
    own = getattr(cls, "__annotations__", {})
    for name, hint in hints.items():
        if name not in own or name.startswith("_") or name == "OBJECT_NAME":
            continue
        name = getattr(cls, "_inner_class_names", {}).get(name, name)
        if name not in value:
            if not (typing.get_origin(hint) is typing.Union and type(None) in typing.get_args(hint)):
                found.append(f"{path}.{name} is missing")
            continue
        problems(value[name], hint, f"{path}.{name}", found)


CLASSES = {cls.OBJECT_NAME: cls for cls in vars(stripe).values()
           if isinstance(cls, type) and issubclass(cls, stripe.StripeObject) and hasattr(cls, "OBJECT_NAME")}
CLASSES["checkout.session"] = stripe.checkout.Session


def shape(answer):
    """Every object of an answer against the library's types."""
    found = []
    plain = json.loads(str(answer)) if not isinstance(answer, dict) else answer
    objects = plain["data"] if plain.get("object") == "list" else [plain]
    for one in objects:
        cls = CLASSES.get(one.get("object"))
        if cls and not one.get("deleted"):
            members(one, cls, one["object"], found)
    assert not found, "; ".join(found[:8])
    return answer


def refused(error, work, **expected):
    """The error that the work must raise."""
    try:
        work()
    except error as problem:
        for name, value in expected.items():
            said = getattr(problem, name, None)
            if said is None and problem.error is not None:
                said = getattr(problem.error, name, None)
            assert said == value, f"{name} is {said!r}, not {value!r}: {problem}"
        return problem
    raise AssertionError(f"no {error.__name__}")


# ---- Flows

def customer(s, card="pm_card_visa", **more):
    """A customer with a card on file that is the usual one."""
    one = s.client.v1.customers.create({"name": "Mira Okafor", "email": "mira@rye.example", **more})
    if card:
        method = s.client.v1.payment_methods.attach(card, {"customer": one.id})
        one = s.client.v1.customers.update(
            one.id, {"invoice_settings": {"default_payment_method": method.id}})
    return one


def price(s, amount=1999, interval="month", **more):
    product = s.client.v1.products.create({"name": "A loaf a week"})
    return s.client.v1.prices.create(
        {"currency": "usd", "unit_amount": amount, "recurring": {"interval": interval}, "product": product.id, **more})


def flow_customers(s):
    v1 = s.client.v1
    one = shape(v1.customers.create({
        "name": "Zoë Kim", "email": "zoe@rye.example", "metadata": {"a": "1", "b": "2"},
        "address": {"city": "Seoul", "country": "KR"}}))
    assert one.id.startswith("cus_") and one.name == "Zoë Kim" and one.metadata["a"] == "1" and not one.livemode
    changed = v1.customers.update(one.id, {"metadata": {"a": "", "c": "3"}, "address": {"line1": "Jongno 1"}})
    assert changed.metadata.to_dict() == {"b": "2", "c": "3"}, changed.metadata
    assert changed.address.city == "Seoul" and changed.address.line1 == "Jongno 1"
    assert v1.customers.update(one.id, {"metadata": ""}).metadata.to_dict() == {}
    assert v1.customers.update(one.id, {"name": ""}).name is None
    assert v1.customers.list({"email": "zoe@rye.example"}).data[0].id == one.id
    gone = v1.customers.delete(one.id)
    assert gone.deleted and v1.customers.retrieve(one.id).deleted
    refused(stripe.InvalidRequestError, lambda: v1.customers.update(one.id, {"name": "x"}),
            code="resource_missing", http_status=404, param="id")
    types = s.hooks.wait("customer.created", "customer.updated", "customer.deleted")
    assert types.index("customer.created") < types.index("customer.deleted")


def flow_errors(s):
    v1 = s.client.v1
    refused(stripe.AuthenticationError, lambda: s.with_key("sk_test_wrong_0123456789").v1.customers.list(), http_status=401)
    unknown = refused(stripe.InvalidRequestError, lambda: v1.customers.create({"surname": "x"}),
                      code="parameter_unknown", param="surname", http_status=400)
    assert unknown.request_id.startswith("req_") and "parameter-unknown" in unknown.error.doc_url
    assert unknown.request_id in unknown.error.request_log_url
    refused(stripe.InvalidRequestError, lambda: v1.customers.create({"address": {"planet": "x"}}),
            code="parameter_unknown", param="address[planet]")
    refused(stripe.InvalidRequestError, lambda: v1.payment_intents.create({"currency": "usd"}),
            code="parameter_missing", param="amount")
    refused(stripe.InvalidRequestError, lambda: v1.payment_intents.create({"amount": "many", "currency": "usd"}),
            code="parameter_invalid_integer", param="amount")
    refused(stripe.InvalidRequestError, lambda: v1.payment_intents.create({"amount": 12, "currency": "usd"}),
            code="amount_too_small")
    refused(stripe.InvalidRequestError, lambda: v1.payment_intents.create({"amount": 123456789, "currency": "usd"}),
            code="amount_too_large")
    refused(stripe.InvalidRequestError, lambda: v1.customers.retrieve("cus_none"), code="resource_missing", http_status=404)
    refused(stripe.InvalidRequestError, lambda: v1.customers.list({"limit": 101}), param="limit")
    refused(stripe.InvalidRequestError, lambda: v1.payment_intents.create(
        {"amount": 900, "currency": "usd", "capture_method": "sometimes"}), param="capture_method")
    refused(stripe.PermissionError, lambda: v1.customers.list({}, {"stripe_account": "acct_other"}), http_status=403)
    wild = v1.products.create({"name": "Wild"}).id
    for amount, recurring in ((2**63 - 1, {}), (100, {"interval": "month", "interval_count": 999999999999})):
        refused(stripe.InvalidRequestError, lambda: v1.prices.create(
            {"currency": "usd", "unit_amount": amount, "recurring": {"interval": "day", **recurring}, "product": wild}))
    refused(stripe.InvalidRequestError, lambda: v1.checkout.sessions.create({
        "mode": "payment", "success_url": "http://localhost/", "expires_at": 2**62, "line_items": []}))
    refused(stripe.InvalidRequestError, lambda: v1.customers.create({"metadata": {"k" * 41: "v"}}))
    refused(stripe.InvalidRequestError, lambda: v1.customers.create({"metadata": {"k": "v" * 501}}))
    refused(stripe.CardError, lambda: v1.payment_methods.create({
        "type": "card", "card": {"number": "4242424242424242", "exp_month": 8, "exp_year": 2030}}), http_status=402)


def flow_payment_methods(s):
    v1 = s.client.v1
    one = customer(s, card=None)
    method = shape(v1.payment_methods.create({"type": "card", "card": {"token": "tok_mastercard"}}))
    assert method.card.brand == "mastercard" and method.card.last4 == "4444" and method.customer is None
    attached = v1.payment_methods.attach(method.id, {"customer": one.id})
    assert attached.customer == one.id
    second = v1.payment_methods.attach("pm_card_visa", {"customer": one.id})
    listed = v1.customers.payment_methods.list(one.id)
    assert [m.id for m in listed.data] == [second.id, method.id]
    shape(listed)
    refused(stripe.CardError, lambda: v1.payment_methods.attach("pm_card_chargeDeclined", {"customer": one.id}),
            code="card_declined", decline_code="generic_decline", http_status=402)
    assert v1.payment_methods.attach("pm_card_chargeCustomerFail", {"customer": one.id}).card.last4 == "0341"
    other = customer(s, card=None)
    refused(stripe.InvalidRequestError, lambda: v1.payment_methods.attach(method.id, {"customer": other.id}))
    gone = v1.payment_methods.detach(method.id)
    assert gone.customer is None
    s.hooks.wait("payment_method.attached", "payment_method.detached")
    event = next(json.loads(b) for b, _ in s.hooks.received if json.loads(b)["type"] == "payment_method.detached")
    assert event["data"]["previous_attributes"] == {"customer": one.id} and event["data"]["object"]["customer"] is None


def flow_payment_intents(s):
    v1 = s.client.v1
    one = customer(s)
    intent = shape(v1.payment_intents.create(
        {"amount": 1999, "currency": "usd", "customer": one.id, "metadata": {"patchbay_ref": "o1"}}))
    assert intent.status == "requires_payment_method" and intent.client_secret.startswith(intent.id)
    paid = shape(v1.payment_intents.confirm(intent.id, {"payment_method": "pm_card_visa", "expand": ["latest_charge"]}))
    assert paid.status == "succeeded" and paid.amount_received == 1999
    charge = shape(paid.latest_charge)
    assert charge.paid and charge.captured and charge.amount == 1999 and charge.payment_intent == intent.id
    assert charge.payment_method_details.card.last4 == "4242" and charge.metadata["patchbay_ref"] == "o1"
    balance = shape(v1.balance_transactions.retrieve(charge.balance_transaction))
    assert balance.net == 1999 - balance.fee and balance.source == charge.id
    again = refused(stripe.InvalidRequestError, lambda: v1.payment_intents.confirm(intent.id),
                    code="payment_intent_unexpected_state", http_status=400)
    assert again.error.payment_intent.id == intent.id
    types = s.hooks.wait("payment_intent.created", "charge.succeeded", "payment_intent.succeeded")
    assert types.index("payment_intent.created") < types.index("payment_intent.succeeded")
    hold = v1.payment_intents.create({
        "amount": 5000, "currency": "usd", "payment_method": "pm_card_visa", "confirm": True, "capture_method": "manual",
        "allowed_payment_method_types": ["card"]})
    assert hold.status == "requires_capture" and hold.amount_capturable == 5000 and hold.amount_received == 0
    refused(stripe.InvalidRequestError, lambda: v1.payment_intents.capture(hold.id, {"amount_to_capture": 5001}))
    part = v1.payment_intents.capture(hold.id, {"amount_to_capture": 3000, "expand": ["latest_charge"]})
    assert part.status == "succeeded" and part.amount_received == 3000 and part.amount_capturable == 0
    assert part.latest_charge.amount_captured == 3000
    other = v1.payment_intents.create({"amount": 700, "currency": "eur"})
    gone = v1.payment_intents.cancel(other.id, {"cancellation_reason": "abandoned"})
    assert gone.status == "canceled" and gone.cancellation_reason == "abandoned"
    refused(stripe.InvalidRequestError, lambda: v1.payment_intents.cancel(paid.id), code="payment_intent_unexpected_state")


def flow_declines(s):
    v1 = s.client.v1
    table = [("pm_card_visa_chargeDeclined", "card_declined", "generic_decline"),
             ("pm_card_chargeDeclined", "card_declined", "generic_decline"),
             ("pm_card_visa_chargeDeclinedInsufficientFunds", "card_declined", "insufficient_funds"),
             ("pm_card_visa_chargeDeclinedLostCard", "card_declined", "lost_card"),
             ("pm_card_visa_chargeDeclinedStolenCard", "card_declined", "stolen_card"),
             ("pm_card_chargeDeclinedExpiredCard", "expired_card", "expired_card"),
             ("pm_card_chargeDeclinedIncorrectCvc", "incorrect_cvc", "incorrect_cvc"),
             ("pm_card_chargeDeclinedProcessingError", "processing_error", "processing_error")]
    for card, code, decline in table:
        problem = refused(
            stripe.CardError, lambda: v1.payment_intents.create(
                {"amount": 900, "currency": "usd", "payment_method": card, "confirm": True}),
            code=code, decline_code=decline, http_status=402)
        intent = problem.error.payment_intent
        kept = shape(v1.payment_intents.retrieve(intent.id, {"expand": ["latest_charge"]}))
        assert kept.status == "requires_payment_method" and kept.payment_method is None
        assert kept.last_payment_error.code == code and kept.last_payment_error.type == "card_error"
        shape(kept.latest_charge)
        assert kept.latest_charge.status == "failed" and not kept.latest_charge.paid
    paid = v1.payment_intents.confirm(intent.id, {"payment_method": "pm_card_visa"})
    assert paid.status == "succeeded" and paid.last_payment_error is None
    s.hooks.wait("payment_intent.payment_failed", "charge.failed")


def flow_three_d_secure(s):
    v1 = s.client.v1
    one = customer(s, card=None)
    def ask():
        return v1.payment_intents.create({
            "amount": 1500, "currency": "usd", "customer": one.id, "payment_method": "pm_card_authenticationRequired",
            "confirm": True, "return_url": "http://localhost/back"})
    intent = shape(ask())
    assert intent.status == "requires_action" and intent.next_action.type == "redirect_to_url"
    status, location = s.post(intent.next_action.redirect_to_url.url, outcome="complete")
    assert status == 303 and "redirect_status=succeeded" in location and intent.id in location
    assert v1.payment_intents.retrieve(intent.id).status == "succeeded"
    intent = ask()
    s.post(intent.next_action.redirect_to_url.url, outcome="fail")
    failed = v1.payment_intents.retrieve(intent.id)
    assert failed.status == "requires_payment_method"
    assert failed.last_payment_error.code == "payment_intent_authentication_failure"
    refused(stripe.CardError, lambda: v1.payment_intents.create({
        "amount": 1500, "currency": "usd", "payment_method": "pm_card_authenticationRequired", "confirm": True,
        "off_session": True}), code="authentication_required", http_status=402)
    s.hooks.wait("payment_intent.requires_action", "payment_intent.requires_action")


def flow_setup_intents(s):
    v1 = s.client.v1
    one = customer(s, card=None)
    intent = shape(v1.setup_intents.create({"customer": one.id, "usage": "off_session"}))
    assert intent.status == "requires_payment_method"
    done = shape(v1.setup_intents.confirm(intent.id, {"payment_method": "pm_card_visa", "expand": ["payment_method"]}))
    assert done.status == "succeeded" and done.payment_method.customer == one.id
    wants = v1.setup_intents.create({
        "customer": one.id, "confirm": True, "payment_method": "pm_card_authenticationRequiredOnSetup",
        "return_url": "http://localhost/back"})
    assert wants.status == "requires_action"
    s.post(wants.next_action.redirect_to_url.url, outcome="complete")
    wants = v1.setup_intents.retrieve(wants.id)
    assert wants.status == "succeeded"
    later = v1.payment_intents.create({
        "amount": 800, "currency": "usd", "customer": one.id, "payment_method": wants.payment_method, "off_session": True,
        "confirm": True})
    assert later.status == "succeeded", "a card that was set up pays without the person"
    refused(stripe.CardError, lambda: v1.setup_intents.create(
        {"confirm": True, "payment_method": "pm_card_chargeDeclined"}), code="card_declined")
    assert v1.setup_intents.cancel(v1.setup_intents.create({}).id).status == "canceled"
    s.hooks.wait("setup_intent.succeeded", "setup_intent.setup_failed")


def flow_refunds(s):
    v1 = s.client.v1
    intent = v1.payment_intents.create({"amount": 2000, "currency": "usd", "payment_method": "pm_card_visa", "confirm": True})
    part = shape(v1.refunds.create({"payment_intent": intent.id, "amount": 500, "reason": "requested_by_customer"}))
    assert part.status == "succeeded" and part.amount == 500 and part.charge == intent.latest_charge
    refused(stripe.InvalidRequestError, lambda: v1.refunds.create({"charge": intent.latest_charge, "amount": 1501}))
    rest = v1.refunds.create({"charge": intent.latest_charge})
    assert rest.amount == 1500
    charge = v1.charges.retrieve(intent.latest_charge, {"expand": ["refunds"]})
    assert charge.refunded and charge.amount_refunded == 2000 and len(charge.refunds.data) == 2
    refused(stripe.InvalidRequestError, lambda: v1.refunds.create({"payment_intent": intent.id}),
            code="charge_already_refunded", http_status=400)
    listed = shape(v1.refunds.list({"payment_intent": intent.id}))
    assert [r.amount for r in listed.data] == [1500, 500]
    bad = v1.payment_intents.create({"amount": 900, "currency": "usd", "payment_method": "pm_card_refundFail", "confirm": True})
    refund = v1.refunds.create({"payment_intent": bad.id})
    s.advance(3 * DAY)
    assert v1.refunds.retrieve(refund.id).status == "failed" and not v1.charges.retrieve(bad.latest_charge).refunded
    slow = v1.payment_intents.create({"amount": 900, "currency": "usd", "payment_method": "pm_card_pendingRefund", "confirm": True})
    refund = v1.refunds.create({"payment_intent": slow.id})
    assert refund.status == "pending"
    s.advance(4 * DAY)
    assert v1.refunds.retrieve(refund.id).status == "succeeded"
    s.hooks.wait("charge.refunded", "charge.refunded", "refund.created", "refund.failed")


def flow_disputes(s):
    v1 = s.client.v1
    def disputed():
        intent = v1.payment_intents.create(
            {"amount": 2500, "currency": "usd", "payment_method": "pm_card_createDispute", "confirm": True})
        assert v1.charges.retrieve(intent.latest_charge).disputed
        return v1.disputes.list({"payment_intent": intent.id}).data[0]
    dispute = shape(disputed())
    assert dispute.status == "needs_response" and dispute.amount == 2500 and dispute.evidence_details.due_by > time.time()
    held = v1.disputes.update(dispute.id, {"evidence": {"customer_name": "Mira"}, "submit": False})
    assert held.status == "needs_response" and held.evidence.customer_name == "Mira"
    won = v1.disputes.update(dispute.id, {"evidence": {"uncategorized_text": "winning_evidence"}, "submit": True})
    assert won.status == "won" and won.evidence.customer_name == "Mira"
    lost = v1.disputes.update(disputed().id, {"evidence": {"uncategorized_text": "losing_evidence"}})
    assert lost.status == "lost"
    assert v1.disputes.close(disputed().id).status == "lost"
    types = s.hooks.wait("charge.dispute.created", "charge.dispute.funds_withdrawn", "charge.dispute.closed",
                         "charge.dispute.funds_reinstated")
    assert types.index("charge.dispute.created") < types.index("charge.dispute.closed")


def flow_subscriptions(s):
    v1 = s.client.v1
    one, plan = customer(s), shape(price(s))
    sub = shape(v1.subscriptions.create({
        "customer": one.id, "items": [{"price": plan.id}], "metadata": {"patchbay_user": "u_42"},
        "expand": ["latest_invoice.payments", "items.data.price.product"]}))
    assert sub.status == "active" and sub["items"].data[0].price.product.name == "A loaf a week"
    item = sub["items"].data[0]
    assert 27 * DAY < item.current_period_end - item.current_period_start < 32 * DAY
    invoice = shape(sub.latest_invoice)
    assert invoice.status == "paid" and invoice.billing_reason == "subscription_create" and invoice.amount_paid == 1999
    assert invoice.parent.subscription_details.subscription == sub.id
    assert invoice.parent.subscription_details.metadata["patchbay_user"] == "u_42"
    assert invoice.lines.data[0].period.end == item.current_period_end
    pay = shape(invoice.payments.data[0])
    assert v1.payment_intents.retrieve(pay.payment.payment_intent).status == "succeeded"
    s.hooks.wait("customer.subscription.created", "invoice.paid", "invoice.payment_succeeded", "invoice_payment.paid")
    s.hooks.received.clear()
    s.advance(32 * DAY)
    renewed = v1.subscriptions.retrieve(sub.id)
    assert renewed["items"].data[0].current_period_start == item.current_period_end
    invoices = shape(v1.invoices.list({"subscription": sub.id}))
    assert [i.billing_reason for i in invoices.data] == ["subscription_cycle", "subscription_create"]
    assert invoices.data[0].status == "paid" and invoices.data[0].status_transitions.finalized_at >= item.current_period_end + 3600
    assert invoices.data[0].lines.data[0].period.start == item.current_period_end
    s.hooks.wait("invoice.created", "invoice.finalized", "invoice.paid", "customer.subscription.updated")
    ending = v1.subscriptions.update(sub.id, {"cancel_at_period_end": True})
    assert ending.cancel_at_period_end and ending.status == "active"
    s.hooks.wait("customer.subscription.updated", "customer.subscription.updated")
    s.advance(32 * DAY)
    over = v1.subscriptions.retrieve(sub.id)
    assert over.status == "canceled" and over.ended_at and over.cancellation_details.reason == "cancellation_requested"
    s.hooks.wait("customer.subscription.deleted")
    assert sub.id not in [x.id for x in v1.subscriptions.list({"customer": one.id}).data]
    assert sub.id in [x.id for x in v1.subscriptions.list({"customer": one.id, "status": "all"}).data]
    refused(stripe.InvalidRequestError, lambda: v1.subscriptions.update(sub.id, {"description": "x"}))
    now = v1.subscriptions.create({"customer": one.id, "items": [{"price": plan.id}]})
    assert v1.subscriptions.cancel(now.id).status == "canceled"


def flow_trials(s):
    v1 = s.client.v1
    one, plan = customer(s), price(s)
    sub = v1.subscriptions.create({
        "customer": one.id, "items": [{"price": plan.id}], "trial_period_days": 14, "expand": ["latest_invoice"]})
    assert sub.status == "trialing" and sub.trial_end - sub.trial_start == 14 * DAY
    assert sub.latest_invoice.amount_due == 0 and sub.latest_invoice.status == "paid"
    s.advance(12 * DAY)
    s.hooks.wait("customer.subscription.trial_will_end")
    assert v1.subscriptions.retrieve(sub.id).status == "trialing"
    s.advance(3 * DAY)
    sub = v1.subscriptions.retrieve(sub.id, {"expand": ["latest_invoice"]})
    assert sub.status == "active" and sub.latest_invoice.amount_paid == 1999 and sub["items"].data[0].current_period_start == sub.trial_end


def flow_dunning(s):
    v1 = s.client.v1
    one, plan = customer(s), price(s)
    sub = v1.subscriptions.create({"customer": one.id, "items": [{"price": plan.id}]})
    bad = v1.payment_methods.attach("pm_card_chargeCustomerFail", {"customer": one.id})
    v1.customers.update(one.id, {"invoice_settings": {"default_payment_method": bad.id}})
    s.advance(32 * DAY)
    sub = v1.subscriptions.retrieve(sub.id, {"expand": ["latest_invoice"]})
    assert sub.status == "past_due" and sub.latest_invoice.attempt_count == 1 and sub.latest_invoice.next_payment_attempt
    s.hooks.wait("invoice.payment_failed")
    good = v1.payment_methods.attach("pm_card_visa", {"customer": one.id})
    paid = v1.invoices.pay(sub.latest_invoice.id, {"payment_method": good.id})
    assert paid.status == "paid" and v1.subscriptions.retrieve(sub.id).status == "active"
    s.advance(62 * DAY)
    sub = v1.subscriptions.retrieve(sub.id)
    assert sub.status == "canceled" and sub.cancellation_details.reason == "payment_failed", sub.status
    s.hooks.wait("customer.subscription.deleted")
    failed = [json.loads(b)["data"]["object"] for b, _ in s.hooks.received if json.loads(b)["type"] == "invoice.payment_failed"]
    last = [f for f in failed if f["attempt_count"] == 4]
    assert last and last[0]["next_payment_attempt"] is None, [f["attempt_count"] for f in failed]


def flow_incomplete(s):
    v1 = s.client.v1
    one, plan = customer(s, card=None), price(s)
    refused(stripe.InvalidRequestError, lambda: v1.subscriptions.create({"customer": one.id, "items": [{"price": plan.id}]}),
            code="resource_missing")
    sub = v1.subscriptions.create({
        "customer": one.id, "items": [{"price": plan.id}], "payment_behavior": "default_incomplete",
        "payment_settings": {"save_default_payment_method": "on_subscription"},
        "expand": ["latest_invoice.confirmation_secret", "latest_invoice.payments"]})
    assert sub.status == "incomplete" and sub.latest_invoice.status == "open"
    secret = sub.latest_invoice.confirmation_secret.client_secret
    intent = secret.split("_secret_")[0]
    assert sub.latest_invoice.payments.data[0].payment.payment_intent == intent
    refused(stripe.CardError, lambda: v1.payment_intents.confirm(intent, {"payment_method": "pm_card_chargeDeclined"}))
    assert v1.subscriptions.retrieve(sub.id).status == "incomplete"
    v1.payment_intents.confirm(intent, {"payment_method": "pm_card_visa"})
    sub = v1.subscriptions.retrieve(sub.id, {"expand": ["default_payment_method"]})
    assert sub.status == "active" and sub.default_payment_method.customer == one.id
    left = v1.subscriptions.create({
        "customer": one.id, "items": [{"price": plan.id}], "payment_behavior": "default_incomplete"})
    s.advance(24 * 3600)
    assert v1.subscriptions.retrieve(left.id).status == "incomplete_expired"
    assert v1.invoices.retrieve(left.latest_invoice).status == "void"
    poor = customer(s, card="pm_card_chargeCustomerFail")
    before = len(v1.subscriptions.list({"customer": poor.id, "status": "all"}).data)
    refused(stripe.CardError, lambda: v1.subscriptions.create({
        "customer": poor.id, "items": [{"price": plan.id}], "payment_behavior": "error_if_incomplete"}))
    assert len(v1.subscriptions.list({"customer": poor.id, "status": "all"}).data) == before, "nothing is left behind"
    assert v1.subscriptions.create({"customer": poor.id, "items": [{"price": plan.id}]}).status == "incomplete"


def flow_plan_changes(s):
    v1 = s.client.v1
    one, small, large = customer(s), price(s, 1000), price(s, 3000)
    sub = v1.subscriptions.create({"customer": one.id, "items": [{"price": small.id}]})
    item = sub["items"].data[0]
    s.advance(10 * DAY)
    sub = v1.subscriptions.update(sub.id, {"items": [{"id": item.id, "price": large.id}]})
    assert len(sub["items"].data) == 1 and sub["items"].data[0].price.id == large.id
    waiting = shape(v1.invoice_items.list({"customer": one.id}))
    assert sorted(x.amount > 0 for x in waiting.data) == [False, True] and all(x.proration for x in waiting.data)
    preview = v1.invoices.create_preview({"customer": one.id, "subscription": sub.id})
    assert preview.total == 3000 + sum(x.amount for x in waiting.data)
    s.advance(25 * DAY)
    bill = v1.invoices.list({"subscription": sub.id}).data[0]
    assert bill.total == preview.total and len(bill.lines.data) == 3
    now = v1.subscriptions.update(
        sub.id, {"items": [{"id": item.id, "quantity": 2}], "proration_behavior": "always_invoice", "expand": ["latest_invoice"]})
    assert now.latest_invoice.billing_reason == "subscription_update" and now.latest_invoice.status == "paid"
    two = v1.subscriptions.update(sub.id, {"items": [{"price": small.id}], "proration_behavior": "none"})
    assert len(two["items"].data) == 2, "an item without its id is a second one"


def flow_invoices(s):
    v1 = s.client.v1
    one = customer(s)
    v1.invoice_items.create({"customer": one.id, "amount": 700, "currency": "usd", "description": "Rye, dark"})
    invoice = shape(v1.invoices.create({"customer": one.id, "pending_invoice_items_behavior": "include"}))
    assert invoice.status == "draft" and invoice.amount_due == 700 and invoice.lines.data[0].description == "Rye, dark"
    open_ = v1.invoices.finalize_invoice(invoice.id)
    assert open_.status == "open" and open_.number and open_.hosted_invoice_url
    refused(stripe.InvalidRequestError, lambda: v1.invoices.finalize_invoice(invoice.id))
    paid = shape(v1.invoices.pay(invoice.id))
    assert paid.status == "paid" and paid.amount_remaining == 0
    second = v1.invoices.create({"customer": one.id})
    v1.invoice_items.create({"customer": one.id, "amount": 900, "currency": "usd", "invoice": second.id})
    v1.invoices.finalize_invoice(second.id)
    assert v1.invoices.void_invoice(second.id).status == "void"
    third = v1.invoices.create({"customer": one.id, "collection_method": "send_invoice", "days_until_due": 7})
    assert v1.invoices.send_invoice(third.id).due_date > time.time()
    lines = v1.invoices.line_items.list(invoice.id)
    assert lines.data[0].amount == 700
    shape(v1.invoice_payments.list({"invoice": invoice.id}))
    s.hooks.wait("invoice.voided", "invoice.paid")


def flow_checkout(s):
    v1 = s.client.v1
    plan = price(s)
    session = shape(v1.checkout.sessions.create({
        "mode": "subscription", "line_items": [{"price": plan.id, "quantity": 1}], "client_reference_id": "u_7",
        "success_url": "http://localhost/thanks?session={CHECKOUT_SESSION_ID}", "cancel_url": "http://localhost/no",
        "subscription_data": {"metadata": {"patchbay_user": "u_7"}}}))
    assert session.status == "open" and session.payment_status == "unpaid" and session.url.startswith(s.base)
    page = urllib.request.urlopen(session.url, timeout=10).read().decode()
    assert "A loaf a week" in page and "19.99" in page
    status, text = s.post(session.url, card="pm_card_chargeDeclined", email="a@rye.example", name="Ana")
    assert status == 200 and "declined" in text and v1.checkout.sessions.retrieve(session.id).status == "open"
    status, location = s.post(session.url, card="pm_card_visa", email="a@rye.example", name="Ana")
    assert status == 303 and location == f"http://localhost/thanks?session={session.id}", location
    done = shape(v1.checkout.sessions.retrieve(session.id, {"expand": ["subscription", "customer", "line_items"]}))
    assert done.status == "complete" and done.payment_status == "paid" and done.url is None
    assert done.subscription.status == "active" and done.subscription.metadata["patchbay_user"] == "u_7"
    assert done.customer.email == "a@rye.example" and done.line_items.data[0].price.id == plan.id
    s.hooks.wait("checkout.session.completed", "customer.subscription.created", "payment_method.attached")
    once = v1.checkout.sessions.create({
        "mode": "payment", "success_url": "http://localhost/t", "line_items": [{
            "quantity": 2, "price_data": {"currency": "eur", "unit_amount": 450, "product_data": {"name": "Bun"}}}]})
    assert once.amount_total == 900 and once.currency == "eur"
    s.post(once.url, card="pm_card_mastercard")
    once = v1.checkout.sessions.retrieve(once.id, {"expand": ["payment_intent"]})
    assert once.payment_intent.status == "succeeded" and once.payment_intent.amount == 900
    assert v1.checkout.sessions.expire(v1.checkout.sessions.create(
        {"mode": "setup", "currency": "usd", "success_url": "http://localhost/t"}).id).status == "expired"


def flow_events(s):
    v1 = s.client.v1
    one = v1.customers.create({"name": "A"}, {"idempotency_key": "events-1"})
    v1.customers.update(one.id, {"name": "B"})
    event = v1.events.list({"type": "customer.updated", "limit": 1}).data[0]
    shape(event)
    assert event.data.object.name == "B" and event.data.previous_attributes.to_dict() == {"name": "A"}
    assert event.api_version == "2026-10-28.endive" and event.request.id.startswith("req_")
    made = v1.events.list({"types": ["customer.created"]}).data[0]
    assert made.request.idempotency_key == "events-1" and v1.events.retrieve(made.id).data.object.id == one.id
    s.hooks.wait("customer.created", "customer.updated")
    body, header = s.hooks.received[-1]
    proven = stripe.Webhook.construct_event(body, header, s.secret)
    assert proven.type == "customer.updated" and proven.id == event.id
    refused(stripe.SignatureVerificationError, lambda: stripe.Webhook.construct_event(body + b" ", header, s.secret))
    assert "v0=" in header
    s.advance(90 * DAY)
    v1.customers.update(one.id, {"name": "C"})
    s.hooks.wait("customer.updated", "customer.updated")
    body, header = s.hooks.received[-1]
    later = stripe.Webhook.construct_event(body, header, s.secret, tolerance=30)
    assert later.created - event.created >= 90 * DAY, "objects are virtual, signatures real"


def flow_webhook_endpoints(s):
    v1 = s.client.v1
    hooks = Hooks()
    endpoint = shape(v1.webhook_endpoints.create(
        {"url": hooks.url, "enabled_events": ["customer.created"], "metadata": {"a": "b"}}))
    assert endpoint.secret.startswith("whsec_") and endpoint.status == "enabled"
    assert "secret" not in v1.webhook_endpoints.retrieve(endpoint.id)
    old = v1.webhook_endpoints.create(
        {"url": hooks.url, "enabled_events": ["customer.subscription.created", "invoice.paid"], "api_version": "2024-06-20"})
    hooks.statuses = [500, 503]
    v1.customers.create({"name": "A"})
    hooks.wait("customer.created", "customer.created", "customer.created")
    assert len({h for _, h in hooks.received}) >= 2, "each try is signed anew"
    for body, header in hooks.received:
        stripe.Webhook.construct_event(body, header, endpoint.secret)
    one, plan = customer(s), price(s)
    sub = v1.subscriptions.create({"customer": one.id, "items": [{"price": plan.id}]})
    hooks.wait("customer.subscription.created", "invoice.paid")
    by_type = {json.loads(b)["type"]: json.loads(b) for b, _ in hooks.received}
    before = by_type["customer.subscription.created"]["data"]["object"]
    assert before["current_period_end"] and "current_period_end" not in before["items"]["data"][0]
    paid = by_type["invoice.paid"]
    assert paid["data"]["object"]["subscription"] == sub.id and paid["data"]["object"]["payment_intent"].startswith("pi_")
    assert paid["api_version"] == "2024-06-20"
    rolled = s.tell("POST", "/secrets/roll", {"platform": "stripe", "endpoint": endpoint.id, "overlap_seconds": 600})["secret"]
    hooks.received.clear()
    v1.customers.create({"name": "Rolled"})
    hooks.wait("customer.created")
    assert hooks.received[0][1].count("v1=") == 2
    for secret in (endpoint.secret, rolled):
        stripe.Webhook.construct_event(*hooks.received[0], secret)
    # As the server orders its own: found by a mark, changed in place, but for the API version.
    pages = list(v1.webhook_endpoints.list({"limit": 1}).auto_paging_iter())
    assert {e.id for e in pages} >= {endpoint.id, old.id} and all("secret" not in e for e in pages)
    changed = v1.webhook_endpoints.update(
        endpoint.id, {"url": hooks.url + "/there", "enabled_events": ["*"], "metadata": {"patchbay_app": "app_1"}})
    assert changed.metadata["patchbay_app"] == "app_1" and changed.metadata["a"] == "b"
    assert changed.url.endswith("/there") and changed.enabled_events == ["*"] and "secret" not in changed
    refused(stripe.InvalidRequestError, lambda: v1.webhook_endpoints.update(endpoint.id, {"api_version": "2024-06-20"}))
    v1.webhook_endpoints.update(endpoint.id, {"url": hooks.url, "enabled_events": ["customer.created"]})
    v1.webhook_endpoints.update(endpoint.id, {"disabled": True})
    count = len(hooks.received)
    v1.customers.create({"name": "B"})
    time.sleep(0.5)
    assert len(hooks.received) == count
    assert v1.webhook_endpoints.delete(endpoint.id).deleted
    refused(stripe.InvalidRequestError, lambda: v1.webhook_endpoints.create({"url": "nowhere", "enabled_events": ["*"]}))
    v1.webhook_endpoints.delete(old.id)


def flow_pagination(s):
    v1 = s.client.v1
    for number in range(23):
        v1.customers.create({"name": f"n{number}", "email": "many@rye.example"})
    page = v1.customers.list({"email": "many@rye.example", "limit": 5})
    assert page.has_more and [c.name for c in page.data] == ["n22", "n21", "n20", "n19", "n18"]
    assert [c.name for c in page.auto_paging_iter()] == [f"n{n}" for n in range(22, -1, -1)]
    back = v1.customers.list({"email": "many@rye.example", "limit": 3, "ending_before": page.data[4].id})
    assert [c.name for c in back.data] == ["n21", "n20", "n19"] and back.has_more
    last = v1.customers.list({"email": "many@rye.example", "limit": 100})
    assert not last.has_more and len(last.data) == 23
    refused(stripe.InvalidRequestError, lambda: v1.customers.list({"starting_after": "cus_none"}), param="starting_after")
    assert v1.customers.list({"created": {"gt": int(time.time()) + 400 * DAY}}).data == []


def flow_idempotency(s):
    v1 = s.client.v1
    first = v1.customers.create({"name": "Once"}, {"idempotency_key": "k1"})
    again = v1.customers.create({"name": "Once"}, {"idempotency_key": "k1"})
    assert first.id == again.id and again.last_response.headers["idempotent-replayed"] == "true"
    assert "idempotent-replayed" not in {k.lower() for k in first.last_response.headers}
    refused(stripe.IdempotencyError, lambda: v1.customers.create({"name": "Other"}, {"idempotency_key": "k1"}), http_status=400)
    decline = {"amount": 900, "currency": "usd", "payment_method": "pm_card_visa_chargeDeclined", "confirm": True}
    one = refused(stripe.CardError, lambda: v1.payment_intents.create(decline, {"idempotency_key": "k2"}))
    two = refused(stripe.CardError, lambda: v1.payment_intents.create(decline, {"idempotency_key": "k2"}))
    assert one.error.payment_intent.id == two.error.payment_intent.id, "a decline is kept too"
    refused(stripe.InvalidRequestError, lambda: v1.payment_intents.create({"currency": "usd"}, {"idempotency_key": "k3"}))
    v1.payment_intents.create({"amount": 900, "currency": "usd"}, {"idempotency_key": "k3"})  # what was not begun is not kept
    s.advance(25 * 3600)
    assert v1.customers.create({"name": "Once"}, {"idempotency_key": "k1"}).id != first.id, "24 h later it is a new one"
    s.tell("PUT", "/faults", [{"platform": "stripe", "path": "/v1/customers", "latency_ms": 800}])
    client = s.with_key(s.key, max_network_retries=0)
    def twin(_):
        try:
            return client.v1.customers.create({"name": "Twin"}, {"idempotency_key": "k4"}).id
        except stripe.StripeError as error:
            return error.http_status
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        answers = list(pool.map(twin, range(2)))
    s.tell("PUT", "/faults", [])
    assert 409 in answers and any(str(a).startswith("cus_") for a in answers), answers


def flow_faults(s):
    quick = s.with_key(s.key, max_network_retries=0)
    intent = quick.v1.payment_intents.create({"amount": 900, "currency": "usd", "payment_method": "pm_card_visa"})
    def confirm():
        return quick.v1.payment_intents.confirm(intent.id, {}, {"idempotency_key": "f1"})
    s.tell("PUT", "/faults", [{"platform": "stripe", "path": "/v1/payment_intents/*/confirm", "times": 1, "drop": "before"}])
    refused(stripe.APIConnectionError, confirm)
    assert quick.v1.payment_intents.retrieve(intent.id).status == "requires_confirmation"
    s.tell("PUT", "/faults", [{"platform": "stripe", "path": "/v1/payment_intents/*/confirm", "times": 1, "drop": "after"}])
    refused(stripe.APIConnectionError, confirm)
    assert quick.v1.payment_intents.retrieve(intent.id).status == "succeeded"
    assert confirm().status == "succeeded", "the key gives the lost answer again"
    assert s.tell("GET", "/effects/keys")["stripe"]["f1"] == {"charge.succeeded": 1}
    s.tell("PUT", "/faults", [{"platform": "stripe", "method": "POST", "times": 1, "status": 500, "fails": "after"}])
    refused(stripe.APIError, lambda: quick.v1.customers.create({"name": "Five"}, {"idempotency_key": "f2"}), http_status=500)
    refused(stripe.APIError, lambda: quick.v1.customers.create({"name": "Five"}, {"idempotency_key": "f2"}), http_status=500)
    s.tell("PUT", "/faults", [{"platform": "stripe", "times": 1, "status": 429, "retry_after": "1",
                               "headers": {"Stripe-Should-Retry": "false"}}])
    limited = refused(stripe.RateLimitError, lambda: quick.v1.customers.list(), http_status=429)
    assert limited.headers["Retry-After"] == "1" and limited.headers["Stripe-Should-Retry"] == "false"
    s.tell("PUT", "/faults", [{"platform": "stripe", "path": "/v1/customers", "times": 2, "status": 503}])
    assert s.with_key(s.key, max_network_retries=3).v1.customers.create({"name": "Patient"}).name == "Patient"
    s.tell("PUT", "/faults", [{"platform": "stripe", "webhooks": {"repeat": 2}}])
    thrice = quick.v1.customers.create({"name": "Thrice"})
    ids = []
    for _ in range(100):
        ids = [e["id"] for e in (json.loads(b) for b, _ in s.hooks.received) if e["data"]["object"]["id"] == thrice.id]
        if len(ids) == 3:
            break
        time.sleep(0.05)
    time.sleep(0.2)
    assert len(ids) == 3 and len(set(ids)) == 1, ids


def flow_expansion(s):
    v1 = s.client.v1
    one, plan = customer(s), price(s)
    sub = v1.subscriptions.create({"customer": one.id, "items": [{"price": plan.id}]})
    listed = v1.subscriptions.list({"customer": one.id, "expand": ["data.customer", "data.latest_invoice.payments"]})
    assert listed.data[0].customer.id == one.id and listed.data[0].latest_invoice.payments.data
    assert v1.customers.retrieve(one.id, {"expand": ["subscriptions"]}).subscriptions.data[0].id == sub.id
    refused(stripe.InvalidRequestError, lambda: v1.customers.retrieve(one.id, {"expand": ["nonsense"]}))
    old = v1.subscriptions.retrieve(sub.id, {}, {"stripe_version": "2024-06-20"})
    assert old.current_period_end == sub["items"].data[0].current_period_end
    assert v1.accounts.retrieve_current().id.startswith("acct_")


def flow_samples(s):
    """Each sample is an event that the library reads, about an object as its types demand."""
    types = s.tell("GET", "/samples")["stripe"]
    assert {"customer.subscription.created", "invoice.payment_failed", "charge.dispute.closed"} <= set(types)
    for name in types:
        told = s.tell("POST", "/send", {"platform": "stripe", "event": name, "overrides": {
            "metadata.patchbay_user": "u_9", "event.created": 1795255200}})
        assert told["endpoints"] == 1
        s.hooks.wait(name)
        body, header = next((b, h) for b, h in s.hooks.received if json.loads(b)["id"] == told["event"])
        event = stripe.Webhook.construct_event(body, header, s.secret)
        assert event.type == name and event.created == 1795255200
        assert event.data.object.metadata["patchbay_user"] == "u_9"
        shape(event.data.object)
        shape(s.client.v1.events.retrieve(event.id))


def flow_story(s):
    """What the story tells and what the API lists are one."""
    s.tell("PUT", "/story", {"rate": 200})
    time.sleep(4)
    s.tell("PUT", "/story", {"rate": 0})
    for _ in range(200):
        if s.tell("GET", "/state")["webhooks_waiting"] == 0:
            break
        time.sleep(0.1)
    seen = {}
    for body, header in s.hooks.received:
        event = stripe.Webhook.construct_event(body, header, s.secret, tolerance=100)
        if event.type.startswith("customer.subscription."):
            seen[event.data.object.id] = event.data.object.status
    told = {x.id: x.status for x in s.client.v1.subscriptions.list({"status": "all", "limit": 100}).auto_paging_iter()}
    assert len(told) > 8 and seen == told, (len(seen), len(told))
    for one in s.client.v1.invoices.list({"limit": 50}).data:
        shape(one)
    for one in s.client.v1.subscriptions.list({"limit": 50, "status": "all"}).data:
        shape(one)


def flow_reset(s):
    v1 = s.client.v1
    for number in range(50):
        v1.customers.create({"name": f"r{number}"})
    took = []
    for _ in range(5):
        began = time.perf_counter()
        s.tell("POST", "/reset")
        took.append(time.perf_counter() - began)
        ids = [v1.customers.create({"name": "first"}).id for _ in range(3)]
        assert v1.customers.list().data[-1].id == ids[0], "the same calls give the same ids"
    assert max(took) < 0.05, f"reset took {max(took):.3f} s"
    first = ids
    s.tell("POST", "/reset", {"seed": 8})
    assert [v1.customers.create({"name": "first"}).id for _ in range(3)] != first
    s.tell("POST", "/reset", {"seed": 7})
    assert [v1.customers.create({"name": "first"}).id for _ in range(3)] == first


def main():
    patchbay, *names = sys.argv[1:]
    flows = {name[5:]: work for name, work in globals().items() if name.startswith("flow_")}
    sandbox = Sandbox(patchbay)
    passed = failed = 0
    try:
        for name, work in flows.items():
            if names and name not in names:
                continue
            sandbox.tell("POST", "/reset", {"seed": 7})
            sandbox.hooks.received.clear()
            sandbox.hooks.statuses.clear()
            try:
                work(sandbox)
                passed += 1
            except Exception as problem:
                failed += 1
                line = traceback.extract_tb(problem.__traceback__)
                place = next((f for f in reversed(line) if f.filename == __file__ and f.name.startswith("flow_")), line[-1])
                print(f"{name}, line {place.lineno}: {type(problem).__name__}: {str(problem)[:1000] or place.line}")
    finally:
        sandbox.process.terminate()
        sandbox.process.wait(10)
    print(f"{passed} passed, {failed} failed")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
