# Lints certificates with pkilint's own command, in one process: `python3 pkilint_certificates.py FILE…` (PEM or DER).
# Prints what it finds at severity NOTICE and above, one line "FILE: CODE (SEVERITY): WORDS" each, then "LINTED n".
import contextlib
import io
import sys

from pkilint.bin import lint_pkix_cert

for file in sys.argv[1:]:
    told = io.StringIO()
    with contextlib.redirect_stdout(told):
        found = lint_pkix_cert.main(["lint", "-s", "NOTICE", file])
    # A finding is told below the place where it was found, set in.
    lines = [line.strip() for line in told.getvalue().splitlines() if line.startswith(" ")]
    for line in lines or (["nothing, but its exit code says otherwise"] if found else []):
        print(f"{file}: {line}")
print(f"LINTED {len(sys.argv) - 1}")
