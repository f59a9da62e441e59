"""Asks OCI registries, by oras, which manifest a tag names now.

oras knows the registries' logins. Its own retries are left out, for the engine's clock says when to ask again.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import re
import ssl
from collections.abc import Collection
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path
from typing import Any, Final

import requests
from oras.auth import AuthenticationException, TokenAuth
from oras.container import Container
from oras.defaults import default_manifest_accepted_media_types
from oras.provider import Registry as Oras
from requests.adapters import HTTPAdapter

from wasmcloud_operator.decide.references import Credentials
from wasmcloud_operator.engine.ports import AccessDenied, NoSuchImage, RegistryError, RegistryUnavailable
from wasmcloud_operator.model.images import DOCKER_HUB, split_registry

_THREAD_COUNT: Final = 8
_TIME_LIMIT_S: Final = 30.0
_CONNECT_TIMEOUT_S: Final = 5.0
_READ_TIMEOUT_S: Final = 10.0
_MANIFEST_LENGTH: Final = 4 << 20
"""The most that a registry must accept for a manifest, by the distribution specification."""
_ACCEPT: Final = {"Accept": ", ".join(default_manifest_accepted_media_types)}
_DIGEST: Final = re.compile(r"sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128}")
_PART: Final = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_PATH: Final = re.compile(rf"{_PART}(?:/{_PART})*(?::\w[\w.-]{{0,127}})?(?:@{_DIGEST.pattern})?", re.ASCII)

logging.getLogger("oras.logger").disabled = True  # it writes past our log; what went wrong is in our errors


class CaError(Exception):
    """A file of CAs that can't be used, in one sentence."""


class OciRegistry:
    """Implements the port Registry.

    ``insecure`` are the registries, `host[:port]`, that are asked in plain HTTP; ``ca`` is a PEM file of CAs that are
    trusted beside the usual ones. Raises CaError.
    """

    def __init__(self, insecure: Collection[str] = (), ca: Path | None = None) -> None:
        self._insecure = frozenset(insecure)
        self._cas = None if ca is None else _read_cas(ca)
        # Not asyncio's own threads: names are looked up on those, and a slow registry must not stop that.
        self._threads = ThreadPoolExecutor(_THREAD_COUNT, thread_name_prefix="registry")

    def close(self) -> None:
        """Ask nothing more. What is under way ends by its own time limits."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def digest(self, image: str, credentials: Credentials | None) -> str:
        """See the port."""
        registry, path = split_registry(image)
        if not _PATH.fullmatch(path):
            raise NoSuchImage(f'"{image}" is no name of an image: it must be like registry.example/team/app:1')
        inquiry = _Inquiry(registry, path, credentials, self._cas, is_plain=registry in self._insecure)
        try:
            async with asyncio.timeout(_TIME_LIMIT_S):
                return await asyncio.get_running_loop().run_in_executor(self._threads, inquiry.digest)
        except TimeoutError:
            raise RegistryUnavailable(f'the registry "{registry}" did not answer within {_TIME_LIMIT_S:g} s') from None


class _Inquiry:
    """One question to one registry, by blocking calls."""

    def __init__(
        self, registry: str, path: str, credentials: Credentials | None, cas: str | None, *, is_plain: bool
    ) -> None:
        self._registry = registry
        self._image = f"{registry}/{path}"
        self._has_login = credentials is not None
        host = "registry-1.docker.io" if registry == DOCKER_HUB else registry
        if ":" not in host and "." not in host:
            host = f"{host}:{80 if is_plain else 443}"  # else oras takes it for a part of the path
        self._url = f"{'http' if is_plain else 'https'}://{Container(f'{host}/{path}').manifest_url()}"
        self._oras = Oras(insecure=is_plain)
        session = self._oras.session
        session.mount("https://", _Bounded(cas))
        session.mount("http://", _Bounded() if is_plain else _NoPlainHttp(registry))
        session.hooks["response"].append(self._refuse_overload)
        session.auth = _as_it_is  # or requests would look for a login in ~/.netrc
        self._oras.auth = _Login(self._oras, credentials)

    def digest(self) -> str:
        """Return the digest. Raises RegistryError."""
        try:
            response = self._ask("HEAD")
            if response.status_code == 405 or (response.ok and "Docker-Content-Digest" not in response.headers):
                response = self._ask("GET")
            return self._read(response)
        except RegistryError:
            raise
        except AuthenticationException:
            raise self._denied(401) from None
        except requests.exceptions.SSLError as error:
            raise RegistryUnavailable(f"{self._who()} has no TLS that is trusted: {_tls_cause(error)}") from None
        except requests.exceptions.Timeout:
            raise RegistryUnavailable(f"{self._who()} did not answer in time") from None
        except requests.exceptions.ConnectionError as error:
            raise RegistryUnavailable(f"{self._who()} can't be reached: {_connection_cause(error)}") from None
        except Exception as error:  # noqa: BLE001  # what oras and requests stumble over shares no base
            raise RegistryUnavailable(f"{self._who()} gave an answer that is none: {type(error).__name__}") from None
        finally:
            self._oras.session.close()

    def _ask(self, verb: str) -> requests.Response:
        once = Oras.do_request.__wrapped__  # the decorator around it sleeps and tries again for minutes
        response: requests.Response = once(self._oras, self._url, verb, headers=dict(_ACCEPT))
        return response

    def _read(self, response: requests.Response) -> str:
        status = response.status_code
        if status in {401, 403}:
            raise self._denied(status)
        if status == 404:
            raise NoSuchImage(f'{self._who()} has no image "{self._image}"')
        if not response.ok:
            raise RegistryUnavailable(f"{self._who()} answered {status}")
        digest = response.headers.get("Docker-Content-Digest") or self._computed(response)
        if not _DIGEST.fullmatch(digest):
            raise RegistryUnavailable(f"{self._who()} names a digest that is none")
        return digest

    def _computed(self, response: requests.Response) -> str:
        """Return the digest of a manifest, for a registry that doesn't name it."""
        manifest = response.content
        if not manifest or len(manifest) > _MANIFEST_LENGTH:
            raise RegistryUnavailable(f"{self._who()} gave no manifest of up to {_MANIFEST_LENGTH >> 20} MiB")
        return f"sha256:{hashlib.sha256(manifest).hexdigest()}"

    def _refuse_overload(self, response: requests.Response, **_: Any) -> None:
        """Name what fails on the way too, such as the server that gives tokens."""
        if response.status_code == 429 or response.status_code >= 500:
            raise RegistryUnavailable(f"{self._who()} answered {response.status_code}")

    def _denied(self, status: int) -> AccessDenied:
        if self._has_login:
            return AccessDenied(f'{self._who()} answered {status}: the pull secret gives no access to "{self._image}"')
        why = "and imagePullSecret names no Secret with a login for it"
        return AccessDenied(f'{self._who()} answered {status} for "{self._image}", {why}')

    def _who(self) -> str:
        return f'the registry "{self._registry}"'


class _Login(TokenAuth):  # type: ignore[misc]
    """Answers a registry's challenge, whether it wants a token or the password itself.

    oras has a class for either, and wants to be told beforehand which of them a registry needs.
    """

    def __init__(self, oras: Oras, credentials: Credentials | None) -> None:
        super().__init__()
        self.session, self.prefix, self._tls_verify = oras.session, oras.prefix, True
        if credentials is not None:
            self.set_basic_auth(credentials.username, credentials.password)

    def authenticate_request(
        self, original: requests.Response, headers: dict[str, str], refresh: bool = False
    ) -> tuple[dict[str, str], bool]:
        """Return the headers for the next try. Raises AuthenticationException when there is nothing to try."""
        challenge = original.headers.get("Www-Authenticate") or ""
        password = getattr(self, "_basic_auth", None)
        if challenge.lower().startswith("basic") and password is not None:
            return {**headers, "Authorization": f"Basic {password}"}, True
        if not challenge.lower().startswith("bearer"):
            raise AuthenticationException("no login")
        found, is_changed = super().authenticate_request(original, headers, refresh)
        if not is_changed:
            raise AuthenticationException("no token")
        return found, True


class _Bounded(HTTPAdapter):
    """Waits for nothing for ever, and takes no more than a manifest's length of anything."""

    def __init__(self, cas: str | None = None) -> None:
        super().__init__()
        # Not one for all: what a connection wants of TLS is set on it.
        self._trust = None if cas is None else _trusting(cas)

    def build_connection_pool_key_attributes(
        self, *arguments: Any, **options: Any
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """Name the further CAs; the usual ones are added to them as a connection is made, to a proxy, too."""
        host, tls = super().build_connection_pool_key_attributes(*arguments, **options)
        return host, tls if self._trust is None else tls | {"ssl_context": self._trust}

    def send(self, request: requests.PreparedRequest, **options: Any) -> requests.Response:  # type: ignore[override]
        """Send a request within the time limits; the connection is done with when the response is there."""
        limits = {"timeout": (_CONNECT_TIMEOUT_S, _READ_TIMEOUT_S), "stream": True}
        response = super().send(request, **{**options, **limits})
        body = response.raw.read(_MANIFEST_LENGTH + 1, decode_content=True)
        response.raw.close()
        response.raw = BytesIO(body)
        return response


class _NoPlainHttp(HTTPAdapter):
    """Sends nothing: a redirect or a server of tokens must not lead away from TLS."""

    def __init__(self, registry: str) -> None:
        super().__init__()
        self._registry = registry

    def send(self, request: requests.PreparedRequest, **_: Any) -> requests.Response:  # type: ignore[override]  # noqa: ARG002
        """Refuse. Raises RegistryUnavailable."""
        raise RegistryUnavailable(f'the registry "{self._registry}" leads to plain HTTP, which is not allowed')


def _read_cas(file: Path) -> str:
    try:
        cas = file.read_bytes().decode("ascii", errors="ignore")  # names in comments need not be
        _trusting(cas)
    except (ssl.SSLError, ValueError):
        raise CaError(f"{file} holds no certificate in PEM") from None
    except OSError as error:
        raise CaError(f"{file} can't be read: {error.strerror}") from None
    return cas


def _trusting(cas: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(cadata=cas)
    return context


def _as_it_is(request: requests.PreparedRequest) -> requests.PreparedRequest:
    return request


def _tls_cause(error: requests.exceptions.SSLError) -> str:
    text = str(error)
    if "WRONG_VERSION_NUMBER" in text or "record layer failure" in text:
        return "it speaks plain HTTP, which --allow-insecure-registry has to allow"
    if "CERTIFICATE_VERIFY_FAILED" in text:
        return re.sub(r"^.*CERTIFICATE_VERIFY_FAILED\]\s*|\s*\(_ssl.*$", "", text, flags=re.DOTALL)
    return "the handshake failed"


def _connection_cause(error: requests.exceptions.ConnectionError) -> str:
    text = str(error)
    if "Failed to resolve" in text or "NameResolutionError" in text:
        return "the host is unknown"
    if "refused" in text:
        return "nobody listens there"
    return "the connection was lost"
