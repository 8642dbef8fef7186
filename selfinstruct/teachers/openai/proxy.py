"""Which proxy a teacher is asked through: what the environment sets, by the rules that httpx2 and curl follow.

httpx2 reads the environment only for transports of its own, and aiohttp knows neither $ALL_PROXY nor networks in
$NO_PROXY, and looks for passwords in ~/.netrc besides.
"""

from __future__ import annotations

import ipaddress
import urllib.request

import httpx2


def find_proxy(url: httpx2.URL) -> str | None:
    """The proxy that $HTTP_PROXY, $HTTPS_PROXY or $ALL_PROXY sets for `url`; None if $NO_PROXY exempts it."""
    proxies = urllib.request.getproxies()  # {"https": "http://proxy.example:3128", "no": "10.0.0.0/8,*.example.com"}
    proxy = proxies.get(url.scheme) or proxies.get("all")
    if not proxy or any(_is_exempt(url, entry.strip().lower()) for entry in proxies.get("no", "").split(",")):
        return None
    return proxy if "://" in proxy else f"http://{proxy}"


def _is_exempt(url: httpx2.URL, entry: str) -> bool:
    """Whether an entry of $NO_PROXY matches `url`."""
    # An address or a network: 10.0.0.5, 10.0.0.0/8, [fd00::5].
    try:
        return ipaddress.ip_address(url.host) in ipaddress.ip_network(entry.strip("[]"), strict=False)
    except ValueError:
        pass

    # A name, which may have a scheme and a port: "example.com" is the host and its subdomains, ".example.com" and
    # "*.example.com" are the subdomains only, "*" is every host.
    scheme, _, rest = entry.rpartition("://")
    name, _, port = rest.partition(":")
    name = name.removeprefix("*")
    is_within = bool(name) and (url.host == name or url.host.endswith("." + name.removeprefix(".")))
    return entry == "*" or (is_within and scheme in ("", url.scheme) and port in ("", str(url.port)))
