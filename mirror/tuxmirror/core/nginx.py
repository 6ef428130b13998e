"""nginx's configuration for serving what the embedded server serves. Pure: settings in, text out.

nginx sends the files; who may have them is asked of the service (`auth_request`). Which paths are
open is decided in `entitlement`; the patterns here repeat that in nginx's words, and a test asks
both servers the same questions.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from .entitlement import OPEN_ROOTS
from .errors import ConfigError
from .licence import DEFAULT_CHANNEL

# Below /run, which is in memory: tokens are named in both.
LEASES = Path("/run/tuxmirror/leases")
AUTH_CACHE = Path("/run/nginx-tuxmirror")
ACCESS_LOG = Path("/var/log/nginx/tuxmirror.log")

_NOTHING: Mapping[str, str] = {}
_PLAIN = re.compile(r"[A-Za-z0-9_./:@+\[\]-]+")
_SERVER_NAME = re.compile(r"(?!-)[A-Za-z0-9.-]{1,253}")


@dataclass(frozen=True)
class Settings:
    """What a site decides.

    Attributes:
        server_name: the name that customers use.
        public: the folder with the channels.
        service: ADDRESS:PORT of `tuxmirror serve`.
        listen: PORT or ADDRESS:PORT.
        certificate, certificate_key: PEM files; without them plain HTTP, for what stands behind
            a balancer that does TLS.
        open_trees: names of trees without a token.
    """

    server_name: str
    public: Path
    service: str
    listen: str
    certificate: Path | None = None
    certificate_key: Path | None = None
    leases: Path = LEASES
    auth_cache: Path = AUTH_CACHE
    access_log: Path = ACCESS_LOG
    open_trees: Sequence[str] = ()


def render(settings: Settings) -> str:
    """The file, to be included in nginx's `http` block.

    Raises:
        ConfigError: a setting that nginx would read as something else.
    """
    check(settings)
    return fill(_TEMPLATE, settings)


def fill(template: str, settings: Settings, more: Mapping[str, str] = _NOTHING) -> str:
    """The template with `@name@` replaced, by `more` and by what all sites have."""
    tls = settings.certificate is not None
    values = {
        "server_name": settings.server_name,
        "public": str(settings.public),
        "vetted": f"{settings.public}/{DEFAULT_CHANNEL}",
        "service": settings.service,
        "leases": str(settings.leases),
        "auth_cache": str(settings.auth_cache),
        "access_log": str(settings.access_log),
        "listen": _listen(settings.listen, " ssl" if tls else ""),
        "tls": _TLS.format(settings=settings) if tls else "",
        "refuse_plain": _REFUSE_PLAIN if tls else "",
        "open_trees": _open_trees(_OPEN_TREE, settings.open_trees),
        "open_trees_token": _open_trees(_OPEN_TREE_CHOSEN, settings.open_trees),
        "open_trees_generation": _open_trees(_OPEN_TREE_GENERATION, settings.open_trees),
        "not_open": _not_open(settings.open_trees),
        "log": _LOG,
        "log_leased": _LOG_LEASED,
        "proxy": _PROXY,
        "authorize": _AUTHORIZE,
        "ask_open": _ASK_OPEN,
        "gated": _headers("$tux_cache_gated", tls),
        "gated_for_ever": _headers('"private, max-age=31536000, immutable"', tls),
        "open": _headers("$tux_cache_open", tls),
        **_PATTERNS,
        **more,
    }
    text = template
    # Again and again: some values name others.
    for _ in range(3):
        text = re.sub(r"@([a-z_]+)@", lambda match: values[match[1]], text)
    return text


def check(settings: Settings) -> None:
    """Raises ConfigError."""
    if not _SERVER_NAME.fullmatch(settings.server_name):
        raise ConfigError(
            f"--server-name: '{settings.server_name}' is not a host name",
            expected="such as repo.example.com",
        )
    if (settings.certificate is None) != (settings.certificate_key is None):
        raise ConfigError("--certificate and --certificate-key go together")
    named = {
        "public": settings.public,
        "leases": settings.leases,
        "--cache": settings.auth_cache,
        "--access-log": settings.access_log,
        "--certificate": settings.certificate,
        "--certificate-key": settings.certificate_key,
        "--service": settings.service,
        "--listen": settings.listen,
    }
    check_plain(named)


def check_plain(named: Mapping[str, object]) -> None:
    """Raises ConfigError for a value that nginx would read as something else."""
    for name, value in named.items():
        if value is not None and not _PLAIN.fullmatch(str(value)):
            raise ConfigError(
                f"{name}: nginx cannot be given '{value}'",
                expected="letters, digits and . _ - + @ : /",
            )


def _listen(text: str, ssl: str) -> str:
    lines = [f"    listen {text}{ssl};"]
    if text.isdecimal():
        lines.append(f"    listen [::]:{text}{ssl};")
    return "\n".join(lines)


def _headers(cache: str, tls: bool) -> str:
    lines = [f"add_header Cache-Control {cache};", "add_header X-Content-Type-Options nosniff;"]
    if tls:
        lines.append('add_header Strict-Transport-Security "max-age=31536000";')
    return "\n        ".join(lines)


def _open_trees(template: str, names: Sequence[str]) -> str:
    return "".join(_open_tree(template, name) for name in sorted(names))


def _open_tree(template: str, name: str) -> str:
    family, release, *more = (re.escape(segment) for segment in name.split("/"))
    below = "".join(f"{part}/" for part in more)
    values = {
        "name": name,
        "family": family,
        "release": release,
        "below": below,
        "below_rest": f"(?<tux_rest>{below}@path@)",
    }
    return re.sub(
        "@(name|family|release|below|below_rest)@", lambda match: values[match[1]], template
    )


def _not_open(names: Sequence[str]) -> str:
    """A look-ahead that passes over the releases in which something is open."""
    releases = sorted({"/".join(map(re.escape, name.split("/")[:2])) for name in names})
    return f"(?!(?:{'|'.join(releases)})/)" if releases else ""


# Possessive: what is no match is found out at once.
_SEGMENT = "[A-Za-z0-9._+~^-]++"
_TOKEN = "(?!RPM-GPG-KEY-)[A-Za-z0-9_-]{32,}"  # noqa: S105  (what one looks like)
_KEY_FILE = "RPM-GPG-KEY-[A-Za-z0-9._-]+"
_PATTERNS = {
    "segment": _SEGMENT,
    "path": f"(?:{_SEGMENT}/)*{_SEGMENT}",
    "token": f"(?<tux_token>{_TOKEN})",
    "key_file": _KEY_FILE,
    "site": "|".join(root for root in OPEN_ROOTS if root != "rss_feed"),
    "tree": f"(?<tux_tree>{_SEGMENT}/{_SEGMENT})",
    # A package with a name of its own: not one of a generation, nor a key, nor what is open.
    "package": (
        rf"(?<tux_rest>(?!\.|base/)(?:{_SEGMENT}/){{2,}}+"
        r"[A-Za-z0-9._+~^]++(?:-(?!latest-)[A-Za-z0-9._+~^]*+)*+(?<=\.rpm))"
    ),
    "rest": f"(?<tux_rest>{_SEGMENT}(?:/{_SEGMENT})*+)",
    "open_own": "(?<tux_rest>base/@path@|@oval@)",
    "generation": r"\.generation-(?<tux_generation>[1-9][0-9]{0,8})",
    "latest": r"[a-z0-9-]+-latest-[0-9]+(?:\.[0-9]+)?\.[a-z0-9_]+\.rpm",
    "oval": r"[A-Za-z0-9._-]+-oval\.xml(?:\.(?:gz|bz2|xz))?(?:\.asc)?",
}

_TLS = """
    ssl_certificate {settings.certificate};
    ssl_certificate_key {settings.certificate_key};
    ssl_protocols TLSv1.2 TLSv1.3;
    ssl_session_cache shared:tuxmirror_tls:10m;
    ssl_session_tickets off;
"""

_REFUSE_PLAIN = """
# No redirect: a client that was sent on from here would go on naming its token on an open line.
server {
    listen 80;
    listen [::]:80;
    server_name @server_name@;
    access_log off;
    error_log /dev/null emerg;
    location / { return 403 "403 use https\\n"; }
}
"""

_PROXY = """proxy_pass http://tuxmirror;
        proxy_http_version 1.1;
        proxy_set_header Connection "";
        proxy_set_header Host $host;
        # Not what the client says of itself; `trusted_proxies` names this nginx.
        proxy_set_header X-Forwarded-For $remote_addr;
        proxy_connect_timeout 5s;
        proxy_read_timeout 30s;"""

_OPEN_TREE_CHOSEN = """
    # @name@ has `open = yes`.
    location ~ "^/(?<tux_tree>@family@/@release@)/@token@/@below_rest@$" {
        auth_request /=authorize-open;
        auth_request_set $tux_channel $upstream_http_x_tuxmirror_channel;
        alias @public@/$tux_channel/$tux_tree/$tux_rest;
        @open@
    }
"""

_OPEN_TREE_GENERATION = """
    # @name@ has `open = yes`.
    location ~ "^/(?<tux_tree>@family@/@release@)/(?:@token@/)?@generation@/@below_rest@$" {
        auth_request /=authorize-open;
        auth_request_set $tux_channel $upstream_http_x_tuxmirror_channel;
        alias @public@/.generations/$tux_channel/$tux_generation/$tux_tree/$tux_rest;
        @open@
    }
"""

_OPEN_TREE = """
    # @name@ has `open = yes`.
    location ~ "^/@family@/@release@/@below@@path@$" {
        if ($tux_bearer) { return 418; }
        root @vetted@;
        @open@
    }
"""

_LOG = """\
# No secret gets into the access log: not at its place, and not misplaced.
map $uri $tux_logged {
    default $uri;
    "~^(?<tux_before>/[^/]*/[^/]*/)[^/]{32,}(?<tux_after>.*)$" "$tux_before<token>$tux_after";
    "~/[A-Za-z0-9_-]{32,}(?:/|$)" "<path with a token>";
    "~tux_[A-Za-z0-9_-]" "<path with a token>";
    "~*(?:ES[UA]|AC)-[0-9A-Z]{12,}" "<path with a key>";
}
log_format tuxmirror '$remote_addr [$time_iso8601] $request_method $tux_logged $status '
                     '$body_bytes_sent $request_time';"""

_LOG_LEASED = """\
# The same for files that were found below a lease, where it is known what stands where.
log_format tuxmirror_leased '$remote_addr [$time_iso8601] $request_method '
                            '/$tux_tree/<token>/$tux_rest $status '
                            '$body_bytes_sent $request_time';"""

_TEMPLATE = """\
# Written by `tuxmirror nginx-config`: put it into /etc/nginx/conf.d/, and write it again rather
# than editing it. nginx.conf itself wants `worker_processes auto;`, `pcre_jit on;` and as many
# `worker_connections` as there will be clients.
#
#   a host ── nginx ── a lease for this token? ── yes ─────────────── the file, by sendfile
#                          │ no                                        │
#                          └─ auth_request ── remembered? ── yes ──────┤
#                                                │ no                  │
#                                                └─ tuxmirror serve ───┘
#
# A revoked token opens nothing after 35 seconds: the service remembers it for 10, the cache below
# for 5 and while the service does not answer for 20 more, a lease lasts 10 at most.

upstream tuxmirror {
    server @service@ max_fails=0;
    keepalive 32;
}

# What the service said of tokens. In memory: its files name them.
proxy_cache_path @auth_cache@ keys_zone=tuxmirror_auth:16m max_size=64m inactive=2m
                 use_temp_path=off;

# A roll-out of a site behind one address fits in; the service itself counts what goes wrong.
limit_req_zone $binary_remote_addr zone=tuxmirror_api:10m rate=50r/s;

# Leases lie below the time in tens of seconds, and end with it whatever becomes of the service.
map $msec $tux_slot { "~^(?<tux_tens>[0-9]+)[0-9]\\." $tux_tens; }

map $http_authorization $tux_bearer {
    default "";
    "~*^Bearer +(?<tux_given>[A-Za-z0-9_-]{32,})$" $tux_given;
}
map $tux_rest $tux_first {
    default "";
    "~^(?<tux_begin>[^/]+)" $tux_begin;
}
# Without TLS of our own it is a balancer that knows what the client spoke; mirror lists name it.
map $http_x_forwarded_proto $tux_scheme {
    default $scheme;
    "~^https?$" $http_x_forwarded_proto;
}
map $tux_token $tux_credential {
    default $tux_token;
    "" $tux_bearer;
}

# Names that can never mean other bytes are kept for ever, all others asked for again.
map $uri $tux_lifetime {
    default "";
    "~/repodata/[0-9a-f]{64}-[^/]+$" "max-age=31536000, immutable";
    "~-latest-[^/]*\\.rpm$" "";
    "~\\.rpm$" "max-age=31536000, immutable";
}
map $tux_lifetime $tux_cache_open {
    default "public, $tux_lifetime";
    "" "no-cache";
}
# A shared cache would know no revocation.
map $tux_lifetime $tux_cache_gated {
    default "private, $tux_lifetime";
    "" "no-cache";
}

@log@
@log_leased@
@refuse_plain@
server {
@listen@
    server_name @server_name@;
@tls@
    access_log @access_log@ tuxmirror buffer=64k flush=5s;
    # nginx writes the request line, token and all, into whatever it says of a request. What goes
    # wrong shows by its status in the access log and in the service's own; what nginx has to say
    # of itself goes to the main error log.
    error_log /dev/null emerg;

    sendfile on;
    tcp_nopush on;
    keepalive_requests 100000;
    server_tokens off;
    merge_slashes off;
    max_ranges 1;
    gzip off;
    # No open_file_cache: a path shows other bytes after a publish.
    open_file_cache off;
    client_max_body_size 16k;
    recursive_error_pages on;

    default_type application/octet-stream;
    types {
        application/x-rpm rpm;
        application/xml xml;
        application/gzip gz;
        application/x-bzip2 bz2;
        application/x-xz xz;
        application/zstd zst;
        application/pgp-signature asc;
        application/json json;
        application/yaml yaml;
        text/html html;
        text/css css;
        text/csv csv;
        text/javascript js;
        text/plain txt;
        image/svg+xml svg;
    }

    # A folder is nothing that can be had.
    error_page 301 404 = @tux_missing;
    error_page 403 = @tux_forbidden;
    error_page 405 = @tux_method;
    error_page 500 502 503 504 = @tux_unavailable;
    # Open, and the token in a header may name another channel.
    error_page 418 = @tux_ask_open;
    error_page 419 = @tux_ask_feed;
    error_page 420 = @tux_ask_key;

    # -- registration ---------------------------------------------------------------------------

    location ^~ /cln/api/els/ {
        limit_req zone=tuxmirror_api burst=400 nodelay;
        limit_req_status 429;
        error_page 429 = @tux_api_too_many;
        error_page 413 = @tux_api_too_large;
        error_page 500 502 503 504 = @tux_api_unavailable;
        @proxy@
    }
    location = /healthz {
        @proxy@
    }
    location = /readyz {
        @proxy@
    }
    location = /openapi.json {
        @proxy@
    }

    # -- packages, below a lease ----------------------------------------------------------------
    # Nearly all that hosts ask for, so it is found first, and everything about it is constant.
    # What it lets through, and what has no lease, the places below decide.

    location ~ "^/@not_open@@tree@/@token@/@package@$" {
        access_log @access_log@ tuxmirror_leased buffer=64k flush=5s;
        root @leases@/$tux_slot;
        error_page 403 404 = @tux_ask;
        error_page 301 = @tux_missing;
        error_page 405 = @tux_method;
        types {}
        default_type application/x-rpm;
        @gated_for_ever@
    }

    # -- mirror lists and what they lead to -----------------------------------------------------
    # Before all else: their paths look like those of files.

    location ~ "/mirrorlist$" {
        proxy_pass http://tuxmirror;
        proxy_http_version 1.1;
        proxy_set_header Connection "";
        # With the port: the answer names it.
        proxy_set_header Host $http_host;
        proxy_set_header X-Forwarded-Proto $tux_scheme;
        proxy_set_header X-Forwarded-For $remote_addr;
        proxy_connect_timeout 5s;
        proxy_read_timeout 30s;
    }
    location ~ "^/(?<tux_tree>tuxcare/@segment@)/(?:@token@/)?@generation@/@open_own@$" {
        auth_request /=authorize-open;
        auth_request_set $tux_channel $upstream_http_x_tuxmirror_channel;
        alias @public@/.generations/$tux_channel/$tux_generation/$tux_tree/$tux_rest;
        @open@
    }
@open_trees_generation@
    location ~ "^/@tree@/(?:@token@/)?@generation@/@rest@$" {
        auth_request /=authorize;
        auth_request_set $tux_channel $upstream_http_x_tuxmirror_channel;
        root @public@/.generations/$tux_channel/$tux_generation;
        try_files /$tux_tree/$tux_rest =404;
        @gated@
    }

    # -- with a token in the path ---------------------------------------------------------------
    # What is asked for most stands first where it can: patterns are tried in this order.

    # Open; the licence chooses the channel.
    location ~ "^/(?<tux_tree>tuxcare/@segment@)/@token@/@open_own@$" {
        auth_request /=authorize-open;
        auth_request_set $tux_channel $upstream_http_x_tuxmirror_channel;
        alias @public@/$tux_channel/$tux_tree/$tux_rest;
        @open@
    }
@open_trees_token@
    # Looks below the lease and nowhere else; where there is none, nothing is found.
    location ~ "^/@tree@/@token@/(?!(?:@segment@/)?@key_file@$)@rest@$" {
        root @leases@/$tux_slot;
        error_page 403 404 = @tux_ask;
        error_page 301 = @tux_missing;
        error_page 405 = @tux_method;
        @gated@
    }
    location ~ "^/@tree@/@token@/(?<tux_rest>(?:@segment@/)?@key_file@)$" {
        auth_request /=authorize-open;
        auth_request_set $tux_channel $upstream_http_x_tuxmirror_channel;
        alias @public@/$tux_channel/$tux_tree/$tux_rest;
        types {}
        default_type application/pgp-keys;
        @open@
    }

    # -- open to everybody ----------------------------------------------------------------------

    location = /tuxcare { return 308 /tuxcare/; }
    location = /tuxcare/ {
        @proxy@
    }

    location ~ "^/(?:@segment@/){1,3}@key_file@$" {
        if ($tux_bearer) { return 420; }
        root @vetted@;
        types {}
        default_type application/pgp-keys;
        @open@
    }
    location ~ "^/tuxcare/(?:@latest@|@segment@/(?:base/@path@|@oval@))$" {
        if ($tux_bearer) { return 418; }
        root @vetted@;
        @open@
    }
    location ~ "^/rss_feed/@path@$" {
        if ($tux_bearer) { return 419; }
        root @vetted@;
        default_type application/rss+xml;
        gzip on;
        gzip_types application/xml application/rss+xml;
        @open@
    }
    location = /cve { return 308 /cve/; }
    location = /cve/ { rewrite ^ /cve/index.html last; }
    location = /.well-known/csaf/provider-metadata.json {
        rewrite ^ /csaf/provider-metadata.json last;
    }
    location ~ "^/(?:@site@)/@path@$" {
        if ($tux_bearer) { return 418; }
        root @vetted@;
        # The tracker's pages also without .html, as in /cve/els/releases.
        try_files $uri $uri.html =404;
        charset utf-8;
        charset_types text/css text/csv text/javascript text/plain;
        gzip on;
        gzip_types text/css text/csv text/javascript application/json image/svg+xml;
        @open@
    }
@open_trees@
    # -- with a token in a header, or with none -------------------------------------------------

    location ~ "^/@tree@/@rest@$" {
        alias @leases@/$tux_slot/$tux_tree/$tux_bearer/$tux_rest;
        error_page 403 404 = @tux_ask;
        error_page 301 = @tux_missing;
        error_page 405 = @tux_method;
        @gated@
    }

    # -- what has no lease -----------------------------------------------------------------------

    location @tux_ask {
        auth_request /=authorize;
        auth_request_set $tux_channel $upstream_http_x_tuxmirror_channel;
        root @public@/$tux_channel;
        try_files /$tux_tree/$tux_rest =404;
        @gated@
    }

    location @tux_ask_open {
        @ask_open@
    }
    location @tux_ask_key {
        types {}
        default_type application/pgp-keys;
        @ask_open@
    }
    # What has no type by its name is a feed.
    location @tux_ask_feed {
        default_type application/rss+xml;
        @ask_open@
    }

    # -- all else -------------------------------------------------------------------------------

    # Too short to name a tree: closed, like what nobody may have.
    location ~ "^/@path@$" { return 403; }
    location / { return 404; }

    # -- what the service says of a token -------------------------------------------------------

    location = /=authorize {
        internal;
        proxy_set_header X-Tuxmirror-Open "";
        proxy_cache_key "$tux_credential $tux_tree/$tux_first";
        @authorize@
    }
    location = /=authorize-open {
        internal;
        proxy_set_header X-Tuxmirror-Open yes;
        proxy_cache_key "$tux_credential open";
        @authorize@
    }

    # -- refusals -------------------------------------------------------------------------------

    location @tux_forbidden {
        default_type text/plain;
        add_header Cache-Control no-store always;
        return 403 "403 Forbidden: this content needs a registered host with a licence for it\\n";
    }
    location @tux_missing {
        default_type text/plain;
        add_header Cache-Control no-store always;
        return 404 "404 Not Found\\n";
    }
    location @tux_method {
        default_type text/plain;
        add_header Allow "GET, HEAD" always;
        return 405 "405 Method Not Allowed\\n";
    }
    location @tux_unavailable {
        default_type text/plain;
        add_header Cache-Control no-store always;
        add_header Retry-After 10 always;
        return 503 "503 try again in a moment\\n";
    }
    location @tux_api_unavailable {
        default_type application/json;
        add_header Cache-Control no-store always;
        add_header Retry-After 10 always;
        return 503 '{"error": "unavailable", "message": "try again in a moment"}\\n';
    }
    location @tux_api_too_many {
        default_type application/json;
        add_header Cache-Control no-store always;
        add_header Retry-After 5 always;
        return 429 '{"error": "too_many", "message": "too many requests for this address"}\\n';
    }
    location @tux_api_too_large {
        default_type application/json;
        add_header Cache-Control no-store always;
        return 413 '{"error": "too_large", "message": "a request has at most 16384 bytes"}\\n';
    }
}
"""

_ASK_OPEN = """auth_request /=authorize-open;
        auth_request_set $tux_channel $upstream_http_x_tuxmirror_channel;
        root @public@/$tux_channel;
        @open@"""

_AUTHORIZE = """proxy_pass http://tuxmirror/internal/authorize;
        proxy_http_version 1.1;
        proxy_method GET;
        proxy_pass_request_body off;
        proxy_pass_request_headers off;
        proxy_set_header Connection "";
        proxy_set_header Host tuxmirror;
        proxy_set_header Content-Length "";
        proxy_set_header Authorization "Bearer $tux_credential";
        proxy_set_header X-Tuxmirror-Path "/$tux_tree/$tux_first";
        proxy_set_header X-Forwarded-For $remote_addr;
        # How long it may be kept, also while the service is away, the service says.
        proxy_cache tuxmirror_auth;
        proxy_cache_background_update on;
        proxy_cache_lock on;
        # Of the cache's own files, which are replaced and never changed.
        open_file_cache max=20000 inactive=60s;
        open_file_cache_valid 30s;
        proxy_connect_timeout 5s;
        proxy_read_timeout 15s;"""
