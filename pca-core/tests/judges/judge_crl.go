// Reads lists with Go's crypto/x509, verifies that the issuer signed them, and tells of each certificate what each list says.
// Arguments: the issuer, lists, "--", certificates; all PEM. Prints "LIST CERTIFICATE listed|absent|removed|other-scope".
package main

import (
	"crypto/x509"
	"encoding/asn1"
	"encoding/pem"
	"fmt"
	"os"
)

type pointName struct {
	FullName []asn1.RawValue `asn1:"optional,tag:0"`
}

type issuingPoint struct {
	Name pointName `asn1:"optional,tag:0"`
}

func read(file string) []byte {
	octets, err := os.ReadFile(file)
	if err != nil {
		panic(err)
	}
	block, _ := pem.Decode(octets)
	if block == nil {
		panic(file + " is no PEM")
	}
	return block.Bytes
}

func main() {
	issuer, err := x509.ParseCertificate(read(os.Args[1]))
	if err != nil {
		panic(err)
	}
	split := 2
	for os.Args[split] != "--" {
		split++
	}
	for _, name := range os.Args[2:split] {
		list, err := x509.ParseRevocationList(read(name))
		if err != nil {
			panic(name + ": " + err.Error())
		}
		if err := list.CheckSignatureFrom(issuer); err != nil {
			panic(name + ": " + err.Error())
		}
		points := map[string]bool{}
		for _, extension := range list.Extensions {
			if extension.Id.Equal(asn1.ObjectIdentifier{2, 5, 29, 28}) {
				var point issuingPoint
				if rest, err := asn1.Unmarshal(extension.Value, &point); err != nil || len(rest) > 0 || !extension.Critical {
					panic(name + ": the issuing distribution point is malformed or not critical")
				}
				for _, uri := range point.Name.FullName {
					points[string(uri.Bytes)] = true
				}
			}
		}
		for _, file := range os.Args[split+1:] {
			certificate, err := x509.ParseCertificate(read(file))
			if err != nil {
				panic(err)
			}
			if err := certificate.CheckSignatureFrom(issuer); err != nil {
				panic(err)
			}
			inScope := len(points) == 0
			for _, address := range certificate.CRLDistributionPoints {
				inScope = inScope || points[address]
			}
			verdict := "absent"
			if !inScope {
				verdict = "other-scope"
			}
			for _, entry := range list.RevokedCertificateEntries {
				if inScope && entry.SerialNumber.Cmp(certificate.SerialNumber) == 0 {
					verdict = "listed"
					if entry.ReasonCode == 8 {
						verdict = "removed"
					}
				}
			}
			fmt.Println(name, file, verdict)
		}
	}
}
