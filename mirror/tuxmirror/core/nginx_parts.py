"""What nginx's configurations for folders and for a bucket have in common. Pure.

Patterns and fragments, by the name that stands between `@` in a template or in another fragment.
"""

from __future__ import annotations

from .entitlement import OPEN_ROOTS

# Possessive: what is no match is found out at once.
_SEGMENT = "[A-Za-z0-9._+~^-]++"
_TOKEN = "(?!RPM-GPG-KEY-)[A-Za-z0-9_-]{32,}"  # noqa: S105  (what one looks like)
_KEY_FILE = "RPM-GPG-KEY-[A-Za-z0-9._-]+"
PATTERNS = {
    # In what follows a token: another, or a key.
    "secret": "(?:/[A-Za-z0-9_-]{32,}(?:/|$)|tux_[A-Za-z0-9_-]|(?i:ES[UA]|AC)-[0-9A-Za-z]{12,})",
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

_FRAGMENTS = {
    "upstream": r"""
upstream tuxmirror {
    server @service@ max_fails=0;
    keepalive 32;
}
""",
    "api_limit": r"""
# A roll-out of a site behind one address fits in; the service itself counts what goes wrong.
limit_req_zone $binary_remote_addr zone=tuxmirror_api:10m rate=50r/s;
""",
    "bearer_map": r"""
map $http_authorization $tux_bearer {
    default "";
    "~*^Bearer +(?<tux_given>[A-Za-z0-9_-]{32,})$" $tux_given;
}
""",
    "scheme_map": r"""
# Without TLS of our own it is a balancer that knows what the client spoke; mirror lists name it.
map $http_x_forwarded_proto $tux_scheme {
    default $scheme;
    "~^https?$" $http_x_forwarded_proto;
}
""",
    "log": r"""
# No secret gets into the access log: not at its place, and not misplaced.
map $uri $tux_logged {
    default $uri;
    "~^(?<tux_before>/[^/]*/[^/]*/)[^/]{32,}(?<tux_after>(?!.*@secret@).*)$"
        "$tux_before<token>$tux_after";
    "~/[A-Za-z0-9_-]{32,}(?:/|$)" "<path with a token>";
    "~tux_[A-Za-z0-9_-]" "<path with a token>";
    "~*(?:ES[UA]|AC)-[0-9A-Z]{12,}" "<path with a key>";
}
log_format tuxmirror '$remote_addr [$time_iso8601] $request_method $tux_logged $status '
                     '$body_bytes_sent $request_time';
""",
    "listening": r"""
@listen@
    server_name @server_name@;
@tls@
""",
    "logging": r"""
    access_log @access_log@ tuxmirror buffer=64k flush=5s;
    # nginx writes the request line, token and all, into whatever it says of a request. What goes
    # wrong shows by its status in the access log and in the service's own; what nginx has to say
    # of itself goes to the main error log.
    error_log /dev/null emerg;
""",
    "strict": r"""
    keepalive_requests 100000;
    server_tokens off;
    merge_slashes off;
    max_ranges 1;
    gzip off;
    client_max_body_size 16k;
    recursive_error_pages on;
""",
    "api": r"""
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
""",
    "forbidden": r"""
    location @tux_forbidden {
        default_type text/plain;
        add_header Cache-Control no-store always;
        return 403 "403 Forbidden: this content needs a registered host with a licence for it\n";
    }
""",
    "method": r"""
    location @tux_method {
        default_type text/plain;
        add_header Allow "GET, HEAD" always;
        return 405 "405 Method Not Allowed\n";
    }
""",
    "unavailable": r"""
    location @tux_unavailable {
        default_type text/plain;
        add_header Cache-Control no-store always;
        add_header Retry-After 10 always;
        return 503 "503 try again in a moment\n";
    }
""",
    "api_refusals": r"""
    location @tux_api_unavailable {
        default_type application/json;
        add_header Cache-Control no-store always;
        add_header Retry-After 10 always;
        return 503 '{"error": "unavailable", "message": "try again in a moment"}\n';
    }
    location @tux_api_too_many {
        default_type application/json;
        add_header Cache-Control no-store always;
        add_header Retry-After 5 always;
        return 429 '{"error": "too_many", "message": "too many requests for this address"}\n';
    }
    location @tux_api_too_large {
        default_type application/json;
        add_header Cache-Control no-store always;
        return 413 '{"error": "too_large", "message": "a request has at most 16384 bytes"}\n';
    }
""",
    "to_service": r"""
proxy_pass http://tuxmirror;
        proxy_http_version 1.1;
        proxy_set_header Connection "";
        # Not what the client says of itself; `trusted_proxies` names this nginx.
        proxy_set_header X-Forwarded-For $remote_addr;
        proxy_connect_timeout 5s;
        proxy_read_timeout 30s;
""",
    "proxy": r"""
@to_service@
        proxy_set_header Host $host;
""",
    "question": r"""
proxy_http_version 1.1;
        proxy_method GET;
        proxy_pass_request_body off;
        proxy_pass_request_headers off;
        proxy_set_header Connection "";
        proxy_set_header Host tuxmirror;
        proxy_set_header Content-Length "";
        proxy_set_header X-Forwarded-For $remote_addr;
        # How long it may be kept, also while the service is away, the service says.
        proxy_cache tuxmirror_auth;
        proxy_cache_background_update on;
        proxy_cache_lock on;
        proxy_connect_timeout 5s;
        proxy_read_timeout 15s;
""",
}
FRAGMENTS = {name: text.strip("\n") for name, text in _FRAGMENTS.items()}

TLS = r"""
    ssl_certificate {settings.certificate};
    ssl_certificate_key {settings.certificate_key};
    ssl_protocols TLSv1.2 TLSv1.3;
    ssl_session_cache shared:tuxmirror_tls:10m;
    ssl_session_tickets off;
"""

REFUSE_PLAIN = r"""
# No redirect: a client that was sent on from here would go on naming its token on an open line.
server {
    listen 80;
    listen [::]:80;
    server_name @server_name@;
    access_log off;
    error_log /dev/null emerg;
    location / { return 403 "403 use https\n"; }
}
"""
