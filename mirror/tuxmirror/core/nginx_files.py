"""nginx's configuration for serving what the embedded server serves. Pure: settings in, text out.

nginx sends the files; who may have them is asked of the service (`auth_request`). Which paths are
open is decided in `entitlement`; the patterns here repeat that in nginx's words, and a test asks
both servers the same questions.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from .licence import DEFAULT_CHANNEL
from .nginx import Settings, check, fill


def render(settings: Settings) -> str:
    """The file, to be included in nginx's `http` block.

    Raises:
        ConfigError: a setting that nginx would read as something else.
    """
    check(settings)
    tls = settings.certificate is not None
    names = settings.open_trees
    return fill(
        _TEMPLATE,
        settings,
        {
            "vetted": f"{settings.public}/{DEFAULT_CHANNEL}",
            "leases": str(settings.leases),
            "open_trees": _open_trees(_OPEN_TREE, names),
            "open_trees_token": _open_trees(_OPEN_TREE_CHOSEN, names),
            "open_trees_generation": _open_trees(_OPEN_TREE_GENERATION, names),
            "not_open": _not_open(names),
            "authorize": _AUTHORIZE,
            "ask_open": _ASK_OPEN,
            "not_leased": _NOT_LEASED,
            "gated": _headers("$tux_cache_gated", tls),
            "gated_for_ever": _headers('"private, max-age=31536000, immutable"', tls),
            "open": _headers("$tux_cache_open", tls),
        },
    )


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


_OPEN_TREE_CHOSEN = r"""
    # @name@ has `open = yes`.
    location ~ "^/(?<tux_tree>@family@/@release@)/@token@/@below_rest@$" {
        auth_request /=authorize-open;
        auth_request_set $tux_channel $upstream_http_x_tuxmirror_channel;
        alias @public@/$tux_channel/$tux_tree/$tux_rest;
        @open@
    }
"""

_OPEN_TREE_GENERATION = r"""
    # @name@ has `open = yes`.
    location ~ "^/(?<tux_tree>@family@/@release@)/(?:@token@/)?@generation@/@below_rest@$" {
        auth_request /=authorize-open;
        auth_request_set $tux_channel $upstream_http_x_tuxmirror_channel;
        alias @public@/.generations/$tux_channel/$tux_generation/$tux_tree/$tux_rest;
        @open@
    }
"""

_OPEN_TREE = r"""
    # @name@ has `open = yes`.
    location ~ "^/@family@/@release@/@below@@path@$" {
        if ($tux_bearer) { return 418; }
        root @vetted@;
        @open@
    }
"""

_AUTHORIZE = r"""proxy_pass http://tuxmirror/internal/authorize;
        @question@
        proxy_set_header Authorization "Bearer $tux_credential";
        proxy_set_header X-Tuxmirror-Path "/$tux_tree/$tux_first";
        # Of the cache's own files, which are replaced and never changed. Few, as said above.
        open_file_cache max=100 inactive=60s;
        open_file_cache_valid 30s;"""

_ASK_OPEN = r"""auth_request /=authorize-open;
        auth_request_set $tux_channel $upstream_http_x_tuxmirror_channel;
        root @public@/$tux_channel;
        @open@"""

# All errors: where a place names one, what the server says of the others counts no more.
_NOT_LEASED = r"""error_page 403 404 = @tux_ask;
        error_page 301 = @tux_missing;
        error_page 405 = @tux_method;
        error_page 500 502 503 504 = @tux_unavailable;"""

_TEMPLATE = r"""
# Written by `tuxmirror nginx-config`: put it into /etc/nginx/conf.d/, and write it again rather
# than editing it. nginx.conf itself wants `worker_processes auto;`, `pcre_jit on;`, as many
# `worker_connections` as there will be clients, and `worker_rlimit_nofile` of three times as many.
#
#   a host ── nginx ── a lease for this token? ── yes ─────────────── the file, by sendfile
#                          │ no                                        │
#                          └─ auth_request ── remembered? ── yes ──────┤
#                                                │ no                  │
#                                                └─ tuxmirror serve ───┘
#
# A revoked token opens nothing after 35 seconds: the service remembers it for 10, the cache below
# for 5 and while the service does not answer for 20 more, a lease lasts 20 at most.

@upstream@

# What the service said of tokens. In memory: its files name them.
proxy_cache_path @auth_cache@ keys_zone=tuxmirror_auth:16m max_size=64m inactive=2m
                 use_temp_path=off;

@api_limit@

# Leases lie below the time in tens of seconds, and end with it whatever becomes of the service.
map $msec $tux_slot { "~^(?<tux_tens>[0-9]+)[0-9]\." $tux_tens; }

@bearer_map@
# Whose lease to look for; nobody's has that name.
map $tux_bearer $tux_holder {
    default $tux_bearer;
    "" none;
}
map $tux_rest $tux_first {
    default "";
    "~^(?<tux_begin>[^/]+)" $tux_begin;
}
@scheme_map@
map $tux_token $tux_credential {
    default $tux_token;
    "" $tux_bearer;
}

# Names that can never mean other bytes are kept for ever, all others asked for again.
map $uri $tux_lifetime {
    default "";
    "~/repodata/[0-9a-f]{64}-[^/]+$" "max-age=31536000, immutable";
    "~-latest-[^/]*\.rpm$" "";
    "~\.rpm$" "max-age=31536000, immutable";
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
# The same for files that were found below a lease, where it is known what stands where.
log_format tuxmirror_leased '$remote_addr [$time_iso8601] $request_method '
                            '/$tux_tree/<token>/$tux_rest $status '
                            '$body_bytes_sent $request_time';
@refuse_plain@
server {
@listening@
@logging@
    sendfile on;
    tcp_nopush on;
@strict@
    # No open_file_cache but where it is said: a path shows other bytes after a publish.
    open_file_cache off;

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

@api@

    # -- packages, below a lease ----------------------------------------------------------------
    # Nearly all that hosts ask for, so it is found first, and everything about it is constant.
    # What it lets through, and what has no lease, the places below decide.

    location ~ "^/@not_open@@tree@/@token@/@package@$" {
        access_log @access_log@ tuxmirror_leased buffer=64k flush=5s;
        root @leases@/$tux_slot;
        @not_leased@
        # What many hosts ask for at once stays open for as long as a lease lasts: below one, a
        # package's name means the same bytes. Few, for each is a descriptor.
        open_file_cache max=200 inactive=10s;
        open_file_cache_valid 10s;
        open_file_cache_min_uses 2;
        types {}
        default_type application/x-rpm;
        @gated_for_ever@
    }

    # -- mirror lists and what they lead to -----------------------------------------------------
    # Before all else: their paths look like those of files.

    location ~ "/mirrorlist$" {
        @to_service@
        # With the port: the answer names it.
        proxy_set_header Host $http_host;
        proxy_set_header X-Forwarded-Proto $tux_scheme;
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
        @not_leased@
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
        alias @leases@/$tux_slot/$tux_tree/$tux_holder/$tux_rest;
        @not_leased@
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

@forbidden@
    location @tux_missing {
        default_type text/plain;
        add_header Cache-Control no-store always;
        return 404 "404 Not Found\n";
    }
@method@
@unavailable@
@api_refusals@
}
"""
