"""Validates chains for TLS servers with Python's cryptography, without revocation, which it does not do.

Arguments: seconds since the epoch, host, then files, each PEM with leaf, intermediates, root. Prints "OK file" or "NO file: reason".
"""

import datetime
import sys

from cryptography import x509
from cryptography.x509 import verification

at = datetime.datetime.fromtimestamp(int(sys.argv[1]), datetime.timezone.utc).replace(tzinfo=None)
host = x509.DNSName(sys.argv[2])
for file in sys.argv[3:]:
    try:
        leaf, *between, root = x509.load_pem_x509_certificates(open(file, "rb").read())
        builder = verification.PolicyBuilder().store(verification.Store([root])).time(at)
        builder.build_server_verifier(host).verify(leaf, between)
        print("OK", file)
    except (ValueError, verification.VerificationError) as refused:
        print("NO", file + ":", str(refused).replace("\n", " "))
