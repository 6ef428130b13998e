"""Advisories: what is fixed where, how severe it is, and since when customers have it.

model      Advisory, FixedPackage, Module, Reference, Scope
cve        Cve with its scores and disclosure dates by source
severity   which score counts, by which rule, and what is doubtful about it
status     what is being done about a CVE in a package of a release
merge      one advisory from several records
catalogue  answers by CVE, advisory, package and release
"""
