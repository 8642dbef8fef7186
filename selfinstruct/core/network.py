"""Which proxy a server is asked through, and which certificates it may show: what the environment sets.

The rules are those of httpx and curl. httpx2 reads the environment only for transports of its own, and aiohttp knows
neither $ALL_PROXY nor networks in $NO_PROXY, and looks for passwords in ~/.netrc besides.
"""

from __future__ import annotations

import ipaddress
import os
import re
import ssl
import urllib.request
from urllib.parse import SplitResult, urlsplit

from .errors import ConfigError

# The first that is set names a file or folder of certificates. OpenSSL and httpx2 read the first two, `requests` and
# curl the others; companies set them for the certificate of their own proxy.
_CERTIFICATES = ("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")


def check_network(address: str) -> None:
    """Raise ConfigError if the environment names a proxy or certificates that can't be used for this address."""
    find_proxy(address)
    if address.startswith("https:"):
        tls_context()


def find_proxy(address: str) -> str | None:
    """The proxy that $HTTP_PROXY, $HTTPS_PROXY or $ALL_PROXY sets for an address; None if $NO_PROXY exempts it.

    Raises ConfigError for a SOCKS proxy and for an address that can't be one. The message doesn't repeat the address,
    which may hold a password.
    """
    url = urlsplit(address)
    proxies = urllib.request.getproxies()  # {"https": "http://proxy.example:3128", "no": "10.0.0.0/8,*.example.com"}
    kind = next((kind for kind in (url.scheme, "all") if proxies.get(kind)), None)
    if kind is None or any(_is_exempt(url, entry.strip().lower()) for entry in proxies.get("no", "").split(",")):
        return None
    proxy = proxies[kind] if "://" in proxies[kind] else f"http://{proxies[kind]}"
    name = next((name for name in (f"{kind}_proxy", f"{kind}_PROXY".upper()) if name in os.environ), f"{kind} proxy")
    try:
        parsed = urlsplit(proxy)
        is_valid = bool(parsed.hostname) and parsed.port != 0  # `port` raises for 'http://host:port'
    except ValueError:
        is_valid = False
    if not is_valid:
        raise ConfigError(f"${name}: not the address of a proxy; write it as http://HOST:PORT")
    if parsed.scheme not in ("http", "https"):
        raise ConfigError(
            f"${name}: a proxy of kind {parsed.scheme!r} is not supported; name an HTTP proxy, such as "
            f"http://HOST:PORT, or add {url.hostname} to $NO_PROXY to connect directly"
        )
    return proxy


def tls_context() -> ssl.SSLContext | None:
    """The certificates that the environment names, or None. Raises ConfigError if they can't be used."""
    name = next((name for name in _CERTIFICATES if os.environ.get(name)), None)
    if name is None:
        return None
    path = os.environ[name]
    try:
        if name != "SSL_CERT_DIR" and not os.path.isdir(path):
            return ssl.create_default_context(cafile=path)
        # OpenSSL finds a certificate in a folder by the hash in its name, '5ed36f99.0', and ignores missing folders.
        folders = [folder for folder in path.split(os.pathsep) if os.path.isdir(folder)] or [path]
        if not any(re.fullmatch(r"[0-9a-f]{8}\.\d+", file) for folder in folders for file in os.listdir(folder)):
            raise ConfigError(f"${name}: {path} holds no certificate; add some with `openssl rehash`, or unset it")
        return ssl.create_default_context(capath=path)
    except ssl.SSLError:
        raise ConfigError(f"${name}: {path} holds no certificate in PEM format; correct it, or unset it") from None
    except OSError as error:
        raise ConfigError(f"${name}: {path}: {error.strerror}; correct it, or unset it") from None


def _is_exempt(url: SplitResult, entry: str) -> bool:
    """Whether an entry of $NO_PROXY matches `url`."""
    host = url.hostname or ""
    # An address or a network: 10.0.0.5, 10.0.0.0/8, [fd00::5].
    try:
        return ipaddress.ip_address(host) in ipaddress.ip_network(entry.strip("[]"), strict=False)
    except ValueError:
        pass

    # A name, which may have a scheme and a port: "example.com" is the host and its subdomains, ".example.com" and
    # "*.example.com" are the subdomains only, "*" is every host.
    scheme, _, rest = entry.rpartition("://")
    name, _, port = rest.partition(":")
    name = name.removeprefix("*")
    is_within = bool(name) and (host == name or host.endswith("." + name.removeprefix(".")))
    return entry == "*" or (is_within and scheme in ("", url.scheme) and port in ("", str(url.port)))
