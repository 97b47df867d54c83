package auth

import (
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"strings"
)

// readPEM reads a file of PEM blocks. One that was cut short, in the middle of being written or by a mistake, is refused: the
// standard library silently takes the blocks that are whole, and a server would go on without an authority, or without the
// certificate between its own and the root.
func readPEM(file string) (string, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return "", err
	}
	whole, begun := 0, 0
	for rest := text; ; whole++ {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
	}
	for line := range strings.Lines(string(text)) {
		if strings.HasPrefix(line, "-----BEGIN ") {
			begun++
		}
	}
	if whole == 0 || whole != begun {
		return "", fmt.Errorf("%s: %d of its %d PEM blocks are whole", file, whole, begun)
	}
	return string(text), nil
}

// Pool reads certificates of authorities.
func Pool(file string) (*x509.CertPool, error) {
	text, err := readPEM(file)
	if err == nil {
		var pool *x509.CertPool
		if pool, err = poolOf(text); err == nil {
			return pool, nil
		}
	}
	return nil, fmt.Errorf("certificates of authorities %s: %w", file, err)
}

// poolOf wants each certificate to be one; a pool by itself leaves out what it cannot read.
func poolOf(text string) (*x509.CertPool, error) {
	pool, n := x509.NewCertPool(), 0
	for rest := []byte(text); ; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		if block.Type != "CERTIFICATE" {
			continue
		}
		certificate, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("certificate %d: %w", n+1, err)
		}
		pool.AddCert(certificate)
		n++
	}
	if n == 0 {
		return nil, errors.New("none in PEM")
	}
	return pool, nil
}
