"""What may pass from one channel to the next, and why.

`rules` what the operator wrote down, `decisions` what people decided since, `builds` packages put
together by what they were built from, `select` which builds pass, `closure` what they need of each
other, `outcome` the result, package by package.
"""
