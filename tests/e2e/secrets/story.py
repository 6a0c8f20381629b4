"""What happens to one daemon in the test of secrets: each is used as it is meant to be, and noted where it is shown."""

import base64
import json
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, field

from openwa_manager.domain.delivery.events import Json
from tests.e2e.peers.daemon import Answer, Daemon, eventually
from tests.e2e.secrets.calls import Client, Request
from tests.e2e.secrets.marks import Marks

LINKED, UNLINKED, RESTING = "user_1_session_a", "user_1_session_b", "user_1_session_c"
UPSTREAM_SECRET = "canary-of-the-upstream-secret-4711"
ENGINE_ENV = "Canary of the engine env 4712"
#: By their last digits the engine sends the first, refuses the second for good, and the third one's phone answers.
SENT_TO, REFUSED_TO, ANSWERS = "85212340177", "85212340002", "85212340017"
RECEIVER = "http://127.0.0.1:9/hook"


@dataclass(frozen=True, slots=True)
class Answered:
    """One answer that came back, and what was asked."""

    request: Request
    answer: Answer

    @property
    def text(self) -> bytes:
        """Return its head and its body."""
        head = "\n".join(f"{name}: {value}" for name, value in self.answer.headers.items())
        return head.encode() + b"\n" + self.answer.raw

    @property
    def where(self) -> str:
        """Return the route, by which answers are allowed to show something."""
        return f"{self.request.method} {self.request.route}"


@dataclass
class Story:
    """One daemon, what it was told that is secret, and all that it answered."""

    daemon: Daemon
    marks: Marks
    answers: list[Answered] = field(default_factory=list)
    keys: dict[str, str] = field(default_factory=dict)
    ids: dict[str, str] = field(default_factory=dict)

    @property
    def admin(self) -> Client:
        """Return who holds the key in the file."""
        return Client(self.daemon.port, self.daemon.key)

    @property
    def environ(self) -> dict[str, str]:
        """Return the settings of the daemon as a command line of its user has them."""
        return {f"OPENWA_MANAGER_{name}": value for name, value in self.daemon.settings.items()} | {
            "OPENWA_MANAGER_ENGINE_ENV": json.dumps(self.daemon.engine_env)
        }

    def ask(self, client: Client, request: Request) -> Answer:
        """Call, and keep the answer."""
        answer = client.ask(request.method, request.path, request.body, request.headers)
        self.answers.append(Answered(request, answer))
        return answer

    def do(
        self,
        line: str,
        body: Json = None,
        *,
        by: Client | None = None,
        headers: Mapping[str, str] | None = None,
        **ids: str,
    ) -> Answer:
        """Call a route, as `POST /v1/keys/{key_id}/rotate`, with a JSON body."""
        method, _, route = line.partition(" ")
        raw = None if body is None else json.dumps(body).encode()
        path = route.format(**ids)
        request = Request(
            method=method, route=route.split("?")[0], path=path, place="meant", headers=headers or {}, body=raw
        )
        return self.ask(by or self.admin, request)

    def use_keys(self) -> None:
        """Make keys, turn one, revoke one, and use them all."""
        self.marks.add("admin key", self.daemon.key)
        wrong = self.marks.add("wrong key", f"owm_wrongkey_{'7c' * 32}")
        kinds: dict[str, dict[str, Json]] = {
            "viewer": {"role": "viewer"},
            "sender": {"role": "sender", "sessions": ["user_1_*"], "rate_per_s": 0.1, "rate_burst": 3},
            "gone": {"role": "operator", "qr": True},
            "turned": {"role": "admin", "qr": True, "chats": True},
        }
        for name, fields in kinds.items():
            made = self.do("POST /v1/keys", {"name": f"the {name}", **fields})
            self.keys[name] = self.marks.add(f"{name} key", made.text("key"))
        turned = self.do("POST /v1/keys/{key_id}/rotate", {"overlap_s": 600}, key_id=self.id_of("turned"))
        self.keys["turned again"] = self.marks.add("turned key", turned.text("key"))
        for key in (*self.keys.values(), wrong):
            self.do("GET /v1/sessions", by=Client(self.daemon.port, key))
        self.do("DELETE /v1/keys/{key_id}", key_id=self.id_of("gone"))
        statuses = [
            self.do("GET /v1/sessions", by=Client(self.daemon.port, self.keys["gone"])).status for _ in range(2)
        ]
        assert statuses == [401, 401]

    def meet_limits(self) -> None:
        """Ask too often, with a key that is good and with one that is not."""
        for key in (self.keys["sender"], self.marks.values["wrong key"]):
            statuses = [self.do("GET /v1/sessions", by=Client(self.daemon.port, key)).status for _ in range(12)]
            assert 429 in statuses

    def id_of(self, name: str) -> str:
        """Return the id of a key of ours."""
        return self.keys[name].split("_")[1]

    def make_endpoints(self) -> str:
        """Make receivers with secrets that are given, made and turned; return the id of one."""
        given = self.marks.add("endpoint secret", "canary-of-the-endpoint-secret-4713")
        self.do("POST /v1/endpoints", {"url": RECEIVER, "secret": given})
        made = self.do("POST /v1/endpoints", {"url": RECEIVER})
        endpoint_id = made.text("endpoint_id")
        self.marks.add("endpoint secret", made.text("secret"))
        turned = self.do("POST /v1/endpoints/{endpoint_id}/rotate-secret", {}, endpoint_id=endpoint_id)
        self.marks.add("endpoint secret", turned.text("secret"))
        self.do("POST /v1/endpoints/{endpoint_id}/test", endpoint_id=endpoint_id)
        return endpoint_id

    def make_sessions(self) -> None:
        """Make sessions with what is secret in their settings."""
        password = self.marks.add("proxy password", "canary-proxy-pass-4714")
        env = self.marks.add("env value", "Canary env value 4715")
        proxy = f"http://somebody:{password}@127.0.0.1:9"
        self.do("POST /v1/sessions", {"session_id": LINKED, "env": {"SIM_CANARY": env, "SIM_AUTO_SCAN_S": "0.1"}})
        self.do("POST /v1/sessions", {"session_id": UNLINKED})
        self.do("POST /v1/sessions", {"session_id": RESTING, "desired": "stopped", "proxy_url": proxy})
        self.do("POST /v1/sessions", {"session_id": RESTING, "proxy_url": f"{proxy}9"})
        self.do("PATCH /v1/sessions/{session_id}", {"proxy_url": f"ftp://a:{password}@b"}, session_id=RESTING)
        self.do("POST /api/sessions", {"name": "user_1_session_d", "proxyUrl": proxy})
        self.do("PATCH /api/sessions/{id}/proxy", {"proxyUrl": proxy}, id=RESTING)
        self.daemon.until(LINKED, "connected")
        self.daemon.until(UNLINKED, "qr_ready")

    def read_codes(self) -> None:
        """Have codes shown: as JSON, as image, by the gateway, as a number, and by a link."""
        qr = self.do("GET /v1/sessions/{session_id}/qr?wait=20", session_id=UNLINKED)
        self.note_image(qr.text("qr_base64"))
        self.do("GET /v1/sessions/{session_id}/qr?format=png", session_id=UNLINKED)
        self.do("GET /api/sessions/{id}/qr", id=UNLINKED)
        number = self.marks.add("number to link", "4915100004716")
        code = self.do("POST /v1/sessions/{session_id}/pairing-code", {"phone_number": number}, session_id=UNLINKED)
        self.marks.add("pairing code", code.text("pairing_code"))
        self.do("POST /api/sessions/{id}/pairing-code", {"phoneNumber": number}, id=UNLINKED)
        link = self.do("POST /v1/sessions/{session_id}/pairing-links", {"ttl_s": 600}, session_id=UNLINKED)
        token = self.marks.add("pairing token", link.text("url").rpartition("/")[2])
        nobody = Client(self.daemon.port)
        self.do("GET /pair/{token}", by=nobody, token=token)
        pressed = self.do("POST /pair/{token}", by=nobody, token=token)
        cookie = pressed.headers["Set-Cookie"].partition(";")[0]
        self.marks.add("pairing cookie", cookie.partition("=")[2])
        mine = {"Cookie": cookie}
        self.do("POST /pair/{token}/code", {"phone_number": number}, by=nobody, headers=mine, token=token)
        self.do("POST /pair/{token}", by=nobody, token=token)  # another browser
        self.do("POST /pair/{token}/code", {"phone_number": "1"}, by=nobody, headers=mine, token=token)
        self.do("GET /PAIR/{token}", by=nobody, token=token)
        self.do("GET //pair/{token}/more", by=nobody, token=token)
        self.do("GET /v1/pair/{token}", token=token)

    def note_image(self, qr_base64: str) -> None:
        """Mark a part of an image that is its own: the middle, as it is and in base64."""
        image = qr_base64.rpartition(",")[2]
        middle = len(image) // 2 // 4 * 4
        self.marks.add("code's image", image[middle : middle + 80])
        assert len(base64.b64decode(image[middle : middle + 80])) == 60

    def send(self) -> None:
        """Send, by both APIs, what is sent, refused, answered, kept waiting, and sent twice."""
        texts = {"text": "canary text of a message 4717", "caption": "canary caption of a picture 4718"}
        for name, text in texts.items():
            self.marks.add(f"{name} that was sent", text)
        kept = self.marks.add("text that waits", "canary text that waits 4719")
        refused = self.marks.add("text that was refused", "canary text that was refused 4720")
        gateway = self.marks.add("text by the gateway", "canary text by the gateway 4721")
        for number in (SENT_TO, REFUSED_TO, ANSWERS):
            self.marks.add("number", number)
        once = {"Idempotency-Key": self.marks.add("idempotency key", "canary-idempotency-key-4722")}
        messages = "POST /v1/sessions/{session_id}/messages"
        for body in ({"to": SENT_TO, "text": texts["text"]}, {"to": SENT_TO, "text": "another"}):
            self.do(messages, body, headers=once, session_id=LINKED)
        self.do(messages, {"to": REFUSED_TO, "text": refused}, session_id=LINKED)
        self.do(messages, {"to": ANSWERS, "text": texts["text"]}, session_id=LINKED)
        self.do(
            messages, {"to": SENT_TO, "image_url": f"{RECEIVER}.png", "caption": texts["caption"]}, session_id=LINKED
        )
        self.do(messages, {"to": SENT_TO, "text": kept, "send_after": "2027-12-01T00:00:00Z"}, session_id=LINKED)
        bulk: dict[str, Json] = {
            "template": {"text": f"{kept} {{{{a}}}}"},
            "recipients": [{"to": f"+{SENT_TO}", "variables": {"a": kept}}],
        }
        self.do(f"{messages}/bulk", {**bulk, "send_after": "2027-12-01T00:00:00Z"}, headers=once, session_id=LINKED)
        body = {"chatId": f"{SENT_TO}@c.us", "text": gateway}
        for sent in (body, body, {**body, "text": "another"}):
            self.do("POST /api/sessions/{id}/messages/send-text", sent, headers=once, id=LINKED)
        self.do("POST /v1/sessions/{session_id}/contacts/check", {"numbers": [SENT_TO]}, session_id=LINKED)
        self.do("GET /api/sessions/{id}/contacts/check/{number}", id=LINKED, number=SENT_TO)
        self.do("POST /v1/users/{user_id}/suppressions", {"to": f"+{ANSWERS}"}, user_id="1")
        self.do("GET /v1/users/{user_id}/suppressions/{to}", user_id="1", to=ANSWERS)
        self.do("GET /v1/users/{user_id}/contacts/{number}", user_id="1", number=SENT_TO)

    def receive(self) -> None:
        """Have the phone receive something, which a webhook of the user's is told as well."""
        secret = self.marks.add("webhook secret", "canary-of-a-users-webhook-4723")
        hook = {"url": RECEIVER, "events": ["message.received"], "secret": secret}
        made = self.do("POST /api/sessions/{id}/webhooks", hook, id=LINKED)
        self.do(
            "PUT /api/sessions/{id}/webhooks/{webhook_id}", {"secret": secret}, id=LINKED, webhook_id=made.text("id")
        )
        text = self.marks.add("received text", "canary-received-text-4724")
        self.daemon.steer(LINKED, f"receive?from=4915100004725&text={text}")
        self.marks.add("number", "4915100004725")
        eventually(lambda: b"message.received" in self.daemon.ask("GET", "/v1/events?limit=1000").raw)

    def note_engines(self) -> None:
        """Mark what our side and the engines' prove themselves to each other with."""
        with closing(sqlite3.connect(f"file:{self.daemon.home / 'manager.db'}?mode=ro", uri=True)) as database:
            for (key,) in database.execute("SELECT engine_key FROM session"):
                self.marks.add("engine key", key)
            for (secret,) in database.execute("SELECT secret FROM launch"):
                self.marks.add("launch secret", secret)
            for (secret,) in database.execute("SELECT relay_secret FROM user_webhook WHERE relay_secret IS NOT NULL"):
                self.marks.add("relay secret", secret)
