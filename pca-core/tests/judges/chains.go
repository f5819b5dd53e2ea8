// Validates chains for TLS servers with Go's crypto/x509, without revocation, which it does not do.
// Arguments: seconds since the epoch, host, then files, each PEM with leaf, intermediates, root. Prints "OK file" or "NO file: reason".
package main

import (
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"os"
	"strconv"
	"time"
)

func judge(file string, at time.Time, host string) error {
	rest, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	var all []*x509.Certificate
	for {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		if block.Type != "CERTIFICATE" {
			continue
		}
		certificate, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return err
		}
		all = append(all, certificate)
	}
	roots, between := x509.NewCertPool(), x509.NewCertPool()
	roots.AddCert(all[len(all)-1])
	for _, certificate := range all[1 : len(all)-1] {
		between.AddCert(certificate)
	}
	_, err = all[0].Verify(x509.VerifyOptions{
		DNSName: host, Roots: roots, Intermediates: between, CurrentTime: at,
		KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	})
	return err
}

func main() {
	seconds, err := strconv.ParseInt(os.Args[1], 10, 64)
	if err != nil {
		panic(err)
	}
	for _, file := range os.Args[3:] {
		if err := judge(file, time.Unix(seconds, 0), os.Args[2]); err != nil {
			fmt.Println("NO", file+":", err)
		} else {
			fmt.Println("OK", file)
		}
	}
}
