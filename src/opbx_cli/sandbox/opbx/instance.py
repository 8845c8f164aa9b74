"""The sandbox's OPBX: its paths, who may call them, and what each does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from opbx_cli.sandbox.answers import Answer, json_answer
from opbx_cli.sandbox.faults import Call
from opbx_cli.sandbox.opbx import callbacks
from opbx_cli.sandbox.opbx.account import (
    CREDENTIALS,
    LIFETIME,
    Tokens,
    made_up,
    organization_view,
    user_view,
)
from opbx_cli.sandbox.opbx.answers import Refused, coded, faulty, invalid, named, said
from opbx_cli.sandbox.opbx.cloudonix import (
    CDR_PATH,
    SESSION_UPDATE_PATH,
    VOICE_PATH,
    Ask,
    CloudonixRefused,
    CloudonixSide,
)
from opbx_cli.sandbox.opbx.settings import SavedSettings
from opbx_cli.sandbox.opbx.variants import (
    FirstSettings,
    OpbxVariants,
    Role,
    TokenAge,
    UserStatus,
)
from opbx_cli.sandbox.rate_limit import RateLimit

if TYPE_CHECKING:
    from collections.abc import Callable

    from opbx_cli.sandbox.answers import Reaction
    from opbx_cli.sandbox.domains import Json
    from opbx_cli.sandbox.faults import Fault
    from opbx_cli.sandbox.incoming import Request
    from opbx_cli.sandbox.options import DomainCredentials
    from opbx_cli.sandbox.state import Clock

API: Final = "/api/v1"
SETTINGS: Final = f"{API}/settings/cloudonix"
PATHS: Final = {
    ("POST", f"{API}/auth/login"): Call.OPBX_SIGN_IN,
    ("GET", f"{API}/auth/me"): Call.OPBX_WHO_AM_I,
    ("POST", f"{API}/auth/refresh"): Call.OPBX_REFRESH,
    ("POST", f"{API}/auth/logout"): Call.OPBX_SIGN_OUT,
    ("GET", SETTINGS): Call.OPBX_READ_SETTINGS,
    ("PUT", SETTINGS): Call.OPBX_WRITE_SETTINGS,
    ("POST", f"{SETTINGS}/validate"): Call.OPBX_VALIDATE,
    ("GET", f"{SETTINGS}/outbound-trunks"): Call.OPBX_LIST_TRUNKS,
    ("POST", VOICE_PATH): Call.OPBX_VOICE,
    ("POST", SESSION_UPDATE_PATH): Call.OPBX_SESSION_UPDATE,
    ("POST", CDR_PATH): Call.OPBX_CDR,
    ("GET", "/api/voice/health"): Call.OPBX_HEALTH,
}
CALLBACKS: Final = (Call.OPBX_VOICE, Call.OPBX_SESSION_UPDATE, Call.OPBX_CDR, Call.OPBX_HEALTH)
FOR_ANY_USER: Final = (Call.OPBX_WHO_AM_I, Call.OPBX_REFRESH, Call.OPBX_SIGN_OUT)
SIGN_INS: Final = 5  # a minute
CALLS: Final = 60  # a minute, of the settings
MINUTE: Final = 60.0  # seconds
PASSWORD_MIN: Final = 8  # characters
# What the owner has saved on the settings page at the start, beside the domain and its keys.
FIRST: Final[Json] = {
    "no_answer_timeout": 45,
    "recording_format": "wav",
    "embed_allowed_domains": "https://www.example.com",
}


class Opbx:
    """One OPBX with one organisation and one user. Its calls run under the state's lock."""

    def __init__(self, url: str, clock: Clock, ask: Ask) -> None:
        """`url` is the sandbox's own, `ask` speaks with its Cloudonix."""
        self.settings = SavedSettings()
        self.tokens = Tokens(clock)
        self._url = url
        self._clock = clock
        self._ask = ask
        self._sign_ins = RateLimit(SIGN_INS, MINUTE)
        self._calls = RateLimit(CALLS, MINUTE)

    def fill_in(self, domain: DomainCredentials, variants: OpbxVariants) -> None:
        """Save what an owner saved before, which puts it in force on Cloudonix."""
        if variants.opbx_settings is FirstSettings.NONE:
            return
        self._save(
            FIRST
            | {
                "domain_uuid": domain.uuid,
                "domain_name": domain.name,
                "domain_api_key": domain.api_key,
                "domain_requests_api_key": made_up(f"webhook key of {domain.name}"),
                "webhook_base_url": self._url,
            },
            variants,
        )

    def accepts(self, call: Call) -> bool:
        """Tell whether a call is within OPBX's rate limits, and count it if so."""
        if call in (*CALLBACKS, *FOR_ANY_USER):
            return True
        limit = self._sign_ins if call is Call.OPBX_SIGN_IN else self._calls
        return limit.accepts("", self._clock.now())

    def forget_calls(self) -> None:
        """Start the rate limits over."""
        self._sign_ins.forget()
        self._calls.forget()

    def answer(self, call: Call, request: Request, variants: OpbxVariants) -> Answer:
        """Carry out a call."""
        try:
            if call in CALLBACKS:
                return self._take_callback(call, request, variants)
            if call is not Call.OPBX_SIGN_IN:
                self._check_access(call, request.api_key, variants)
            return API_CALLS[call](self, request, variants)
        except Refused as refused:
            return refused.answer

    def _take_callback(self, call: Call, request: Request, variants: OpbxVariants) -> Answer:
        arrived = callbacks.Arrived(request.headers, request.content, _fields(request))
        if call is Call.OPBX_VOICE:
            return callbacks.voice(arrived, self.settings)
        if call is Call.OPBX_SESSION_UPDATE:
            return callbacks.session_update(arrived, self.settings, variants)
        if call is Call.OPBX_CDR:
            return callbacks.call_record(arrived, self.settings, variants)
        return callbacks.health()

    def _check_access(self, call: Call, token: str, variants: OpbxVariants) -> None:
        is_valid = self.tokens.accepts(token) and variants.opbx_token is TokenAge.FRESH
        if not is_valid:
            raise Refused(said(401, "Unauthenticated."))
        if call not in FOR_ANY_USER and variants.opbx_role is not Role.OWNER:
            raise Refused(said(403, "This action is unauthorized."))

    def sign_in(self, request: Request, variants: OpbxVariants) -> Answer:
        """Check e-mail address and password; revoke every other token of the user."""
        fields = _fields(request)
        email, password = fields.get("email"), fields.get("password")
        errors = {}
        if not isinstance(email, str) or "@" not in email:
            errors["email"] = ["The email must be a valid email address."]
        if not isinstance(password, str) or len(password) < PASSWORD_MIN:
            errors["password"] = [f"The password must have at least {PASSWORD_MIN} characters."]
        if errors:
            return invalid(errors)
        if (email, password) != (CREDENTIALS.email, CREDENTIALS.password):
            return coded(401, "UNAUTHORIZED", "Invalid credentials.")
        if variants.opbx_user is UserStatus.INACTIVE:
            return coded(403, "ACCOUNT_INACTIVE", "This account is not active.")
        content: Json = {"user": user_view(variants)}
        if _wants_cookies(request):
            return json_answer({"message": "Signed in", **content})
        self.tokens.revoke_all()
        return json_answer(self._issued() | content)

    def who_am_i(self, _request: Request, variants: OpbxVariants) -> Answer:
        """Answer whom the token speaks for."""
        user = user_view(variants) | {"organization": organization_view()}
        return json_answer({"user": user})

    def refresh(self, request: Request, _variants: OpbxVariants) -> Answer:
        """Give a new token for the one in use."""
        self.tokens.revoke(request.api_key)
        return json_answer(self._issued())

    def sign_out(self, request: Request, _variants: OpbxVariants) -> Answer:
        """Revoke the token in use."""
        self.tokens.revoke(request.api_key)
        return json_answer({"message": "Signed out"})

    def read_settings(self, _request: Request, variants: OpbxVariants) -> Answer:
        """Answer the settings; null as long as nobody saved any."""
        return json_answer(self._shown(variants))

    def write_settings(self, request: Request, variants: OpbxVariants) -> Answer:
        """Save the settings, and put them in force on Cloudonix."""
        warning = self._save(request.body, variants)
        message: Json = {"message": warning or "The settings were saved."}
        more = {} if warning is None else {"warning": warning}
        return json_answer(message | self._shown(variants) | more)

    def validate(self, request: Request, variants: OpbxVariants) -> Answer:
        """Try an API key on Cloudonix; save nothing."""
        fields = _fields(request)
        names = ("domain_uuid", "domain_api_key")
        texts = [fields.get(name) for name in names]
        missing = [name for name, text in zip(names, texts, strict=True) if not text]
        if missing:
            return invalid({name: [f"The {name} is required."] for name in missing})
        try:
            domain = self._cloudonix(variants).domain(str(texts[0]), str(texts[1]))
        except CloudonixRefused:
            message = "Cloudonix does not take this domain UUID with this API key."
            return json_answer({"valid": False, "message": message}, 422)
        profile = {"domain_name": domain.get("domain")}
        return json_answer({"valid": True, "message": "Valid", "profile_settings": profile})

    def list_trunks(self, _request: Request, variants: OpbxVariants) -> Answer:
        """Answer the trunks for outbound calls, as Cloudonix has them."""
        if not self.settings.is_configured:
            return named(422, "Cloudonix settings not configured", "Save the settings first.")
        try:
            trunks = self._cloudonix(variants).outbound_trunks()
        except CloudonixRefused as problem:
            return named(500, "Failed to fetch outbound trunks", str(problem))
        return json_answer({"trunks": trunks, "count": len(trunks)})

    def _save(self, body: object, variants: OpbxVariants) -> str | None:
        """Save settings; return what Cloudonix refused of them."""
        self.settings.save(body, variants.opbx, self._clock.timestamp())
        return self._cloudonix(variants).bring_in_line()

    def _shown(self, variants: OpbxVariants) -> Json:
        settings = self.settings.view(variants.opbx)
        return {"settings": settings, **self._cloudonix(variants).urls}

    def _cloudonix(self, variants: OpbxVariants) -> CloudonixSide:
        return CloudonixSide(self.settings, variants, self._url, self._ask)

    def _issued(self) -> Json:
        token = self.tokens.issue()
        return {"access_token": token, "token_type": "Bearer", "expires_in": LIFETIME}


API_CALLS: Final[dict[Call, Callable[[Opbx, Request, OpbxVariants], Answer]]] = {
    Call.OPBX_SIGN_IN: Opbx.sign_in,
    Call.OPBX_WHO_AM_I: Opbx.who_am_i,
    Call.OPBX_REFRESH: Opbx.refresh,
    Call.OPBX_SIGN_OUT: Opbx.sign_out,
    Call.OPBX_READ_SETTINGS: Opbx.read_settings,
    Call.OPBX_WRITE_SETTINGS: Opbx.write_settings,
    Call.OPBX_VALIDATE: Opbx.validate,
    Call.OPBX_LIST_TRUNKS: Opbx.list_trunks,
}


def faulty_call(fault: Fault, call: Call, request: Request) -> Reaction:
    """Return what a fault makes of a call; the one that echoes repeats what signed it in."""
    return faulty(fault, call, request.api_key or str(_fields(request).get("password", "")))


def _fields(request: Request) -> Json:
    """Return the body as an object; a form, and broken JSON, count as empty."""
    return request.body if isinstance(request.body, dict) else {}


def _wants_cookies(request: Request) -> bool:
    mode = request.headers.get("x-auth-mode")
    return mode == "cookie" or (mode != "token" and "x-requested-with" in request.headers)
