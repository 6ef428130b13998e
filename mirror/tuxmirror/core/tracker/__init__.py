"""The CVE tracker: which pages there are, and what each shows.

    cve/index.html                    how things stand; /cve/ in a browser
    cve/search.html                   with JavaScript: search and filters together
    cve/years/2026.html               CVEs by year, …-2.html and so on where there are many
    cve/severity/high.html            by severity
    cve/status/released.html          by status
    cve/releases/9.2-esu.html         by release and product
    cve/packages/index.html           the supported packages
    cve/packages/openssl.html         a source package
    cve/els/cve/CVE-2026-0001.html    a CVE
    cve/els/releases.html             all advisories; /cve/els/releases in a browser
    cve/els/releases/CLSA-2026-001.html   an advisory
    cve/sla.html                      the fourteen days
    cve/data/…                        CSV, JSON, the ledger
    cve/assets/…                      style and script

views   what the pages show, as values
site    the pages and their keys: equal keys, equal bytes
charts  geometry of the diagrams
data    CSV, JSON and the search index
"""
