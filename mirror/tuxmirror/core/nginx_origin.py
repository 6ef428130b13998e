"""nginx's configuration in front of a bucket. Pure: settings in, text out.

The service says for each path whether this token may have it and which object it is; nginx fetches
that with the signature the service gave along, and keeps it under the object's SHA-256: one copy,
whichever trees, channels and generations show it. nginx has no credentials of the bucket.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from . import kinds
from .errors import ConfigError
from .nginx import Settings, check, check_plain, fill

CONTENT_CACHE = Path("/var/cache/nginx-tuxmirror")
_SIZE = re.compile(r"[1-9][0-9]*[kmg]")


@dataclass(frozen=True)
class Origin:
    """The S3 service's endpoint, where nginx keeps contents, and how much of them."""

    endpoint: str
    cache: Path = CONTENT_CACHE
    cache_size: str = "50g"


def render(settings: Settings, origin: Origin) -> str:
    """The file, to be included in nginx's `http` block.

    Raises:
        ConfigError: a setting that nginx would read as something else.
    """
    check(settings)
    parts = urlsplit(origin.endpoint)
    check_plain({"--content-cache": origin.cache, "the endpoint": parts.netloc})
    if not _SIZE.fullmatch(origin.cache_size):
        raise ConfigError("--content-cache-size", expected="such as 50g", found=origin.cache_size)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    return fill(
        _TEMPLATE,
        settings,
        {
            "origin": f"{parts.hostname}:{port}",
            "origin_host": parts.netloc,
            "origin_scheme": parts.scheme,
            "content_cache": str(origin.cache),
            "content_size": origin.cache_size,
            "object": _OBJECT.strip(),
            "large": "|".join((*kinds.IMAGES, kinds.KICKSTART)),
        },
    )


_OBJECT = r"""
        # Before anybody is asked; a bucket would also read what it is not to.
        if ($request_method !~ "^(?:GET|HEAD)$") { return 405; }
        auth_request /=resolve;
        auth_request_set $tux_object $upstream_http_x_tuxmirror_object;
        auth_request_set $tux_sha $upstream_http_x_tuxmirror_sha256;
        auth_request_set $tux_type $upstream_http_x_tuxmirror_type;
        auth_request_set $tux_lifetime $upstream_http_x_tuxmirror_lifetime;

        proxy_pass $tux_proto://$tux_via$tux_target;
        proxy_http_version 1.1;
        proxy_set_header Connection "";
        proxy_set_header Host $tux_host;
        # The object's own signature is in its URL; a token is not the bucket's business.
        proxy_set_header Authorization $tux_passed;
        proxy_set_header X-Forwarded-For $remote_addr;
        proxy_set_header X-Forwarded-Proto $tux_scheme;
        proxy_ssl_server_name on;
        proxy_ssl_name $tux_host;
        proxy_ssl_verify on;
        proxy_ssl_trusted_certificate /etc/ssl/certs/ca-certificates.crt;
        proxy_connect_timeout 5s;
        proxy_read_timeout 60s;

        proxy_cache tuxmirror_content;
        proxy_cache_lock on;
        proxy_cache_bypass $tux_uncached;
        proxy_no_cache $tux_uncached;
        proxy_ignore_headers Cache-Control Expires Set-Cookie Vary;

        proxy_hide_header Content-Type;
        proxy_hide_header Cache-Control;
        proxy_hide_header x-amz-request-id;
        proxy_hide_header x-amzn-requestid;
        proxy_hide_header x-amz-id-2;
        proxy_hide_header x-amz-content-sha256;
        proxy_hide_header x-rgw-object-type;
        proxy_hide_header x-amz-version-id;
        proxy_hide_header x-amz-server-side-encryption;
        proxy_hide_header X-Content-Type-Options;
        add_header Content-Type $tux_shown_type;
        add_header Cache-Control $tux_shown_life;
        add_header X-Content-Type-Options nosniff;
"""

_TEMPLATE = r"""
# Written by `tuxmirror nginx-config --origin s3`: put it into /etc/nginx/conf.d/, and write it
# again rather than editing it. nginx.conf itself wants `worker_processes auto;`.
#
#   a host ── nginx ── auth_request ── remembered? ── yes ──┐
#                                         │ no              ├── the object, from nginx's own cache
#                                         └─ tuxmirror serve┘   or from the bucket, presigned
#
# A revoked token opens nothing after 25 seconds: the cache of answers keeps them for 5, and while
# the service does not answer for 20 more.

@upstream@
# A name is looked up when nginx starts: reload it when the service moves.
upstream tuxmirror_origin {
    server @origin@;
    keepalive 64;
}

# What the service said of tokens. In memory: its files name them.
proxy_cache_path @auth_cache@ keys_zone=tuxmirror_auth:32m max_size=128m inactive=2m
                 use_temp_path=off;
proxy_cache_path @content_cache@ levels=1:2 keys_zone=tuxmirror_content:64m
                 max_size=@content_size@ inactive=60d use_temp_path=off;

@api_limit@

@bearer_map@
@scheme_map@
# What is no object of the bucket, the service itself answers.
map $tux_object $tux_via { default tuxmirror_origin; "" tuxmirror; }
map $tux_object $tux_proto { default @origin_scheme@; "" http; }
map $tux_object $tux_target { default $tux_object; "" $request_uri; }
map $tux_object $tux_host { default "@origin_host@"; "" $http_host; }
map $tux_object $tux_passed { default ""; "" $http_authorization; }
map $tux_object $tux_uncached { default 0; "" 1; }
map $tux_object $tux_shown_type { default $tux_type; "" $upstream_http_content_type; }
map $tux_object $tux_shown_life { default $tux_lifetime; "" $upstream_http_cache_control; }
# Another one for each part of an answer.
map $tux_object $tux_slice { volatile; default $slice_range; "" $http_range; }

@log@
@refuse_plain@
server {
@listening@
@logging@
@strict@

    error_page 403 = @tux_forbidden;
    error_page 405 = @tux_method;
    error_page 500 502 503 504 = @tux_unavailable;

@api@
    location ^~ /internal/ { return 404; }

    # Installers and disks of virtual machines: gigabytes, and some ask for a part of them. Each
    # slice is fetched and kept by itself, so nobody waits for what comes before it.
    location ~ "/(?:@large@)/.*(?<!\.rpm)$" {
        slice 16m;
        proxy_set_header Range $tux_slice;
        proxy_cache_key $tux_sha$tux_slice;
        proxy_cache_valid 206 60d;
        @object@
    }
    location / {
        proxy_cache_key $tux_sha;
        proxy_cache_valid 200 60d;
        @object@
    }

    location = /=resolve {
        internal;
        proxy_pass http://tuxmirror/internal/resolve;
        @question@
        proxy_set_header Authorization "Bearer $tux_bearer";
        proxy_set_header X-Tuxmirror-Path $request_uri;
        proxy_cache_key "$tux_bearer $request_uri";
    }

@forbidden@
@method@
@unavailable@
@api_refusals@
}
"""
