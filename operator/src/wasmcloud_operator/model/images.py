"""Names of images: what an image field says about registry, repository, tag and digest."""

from __future__ import annotations

from typing import Final

DOCKER_HUB: Final = "docker.io"
_DOCKER_HUB_HOSTS: Final = frozenset({DOCKER_HUB, "index.docker.io", "registry-1.docker.io", "registry.hub.docker.com"})


def is_followed(image: str) -> bool:
    """Whether a registry has to be asked for the digest: not for one that is pinned, nor for one such as `file://`."""
    return "@" not in image and "://" not in image


def pinned(image: str, digest: str) -> str:
    """Return the image by its digest, without its tag."""
    return f"{repository(image)}@{digest}"


def repository(image: str) -> str:
    """Return an image without tag and digest."""
    path, slash, last = image.partition("@")[0].rpartition("/")
    return f"{path}{slash}{last.partition(':')[0]}"


def digest_of(image: str) -> str | None:
    """Return the digest that an image is pinned by."""
    return image.partition("@")[2] or None


def registry_of(image: str) -> str:
    """Return the registry of an image; an image without one is Docker Hub's."""
    return split_registry(image)[0]


def split_registry(image: str) -> tuple[str, str]:
    """Return registry and path of an image, by the rules of `docker pull`: `nginx` is Docker Hub's `library/nginx`."""
    first, slash, rest = image.partition("/")
    if slash and ("." in first or ":" in first or first == "localhost"):
        registry, path = registry_host(first), rest
    else:
        registry, path = DOCKER_HUB, image
    return registry, f"library/{path}" if registry == DOCKER_HUB and "/" not in path else path


def registry_host(text: str) -> str:
    """Return the registry that a host or the URL of a login names; Docker Hub has several."""
    host = text.removeprefix("https://").removeprefix("http://").partition("/")[0].lower()
    return DOCKER_HUB if host in _DOCKER_HUB_HOSTS else host
