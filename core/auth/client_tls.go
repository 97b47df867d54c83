package auth

import (
	"crypto/tls"
	"fmt"
	"sync/atomic"
)

// ClientFiles are the PEM files of connections to a server. They are read with each connection, so that new ones need no restart; what cannot be
// read, is cut short or does not fit together leaves what was there in use.
type ClientFiles struct {
	ca          string // authorities that sign the server's certificate; "": the system's
	certificate string // of our own; "": none
	key         string
	current     atomic.Pointer[tls.Config]
}

// NewClientFiles reads the files once.
func NewClientFiles(ca, certificate, key string) (*ClientFiles, error) {
	f := &ClientFiles{ca: ca, certificate: certificate, key: key}
	_, err := f.Config()
	if err != nil {
		return nil, err
	}
	return f, nil
}

// Config is for one connection. With an error beside it, it is of what the files held when they could last be used.
func (f *ClientFiles) Config() (*tls.Config, error) {
	config, err := f.load()
	if err != nil {
		return f.current.Load(), err
	}
	f.current.Store(config)
	return config, nil
}

func (f *ClientFiles) load() (*tls.Config, error) {
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	var err error
	if f.ca != "" {
		if config.RootCAs, err = Pool(f.ca); err != nil {
			return nil, err
		}
	}
	if f.certificate == "" {
		return config, nil
	}
	pair, err := f.pair()
	if err != nil {
		return nil, fmt.Errorf("certificate %s with key %s: %w", f.certificate, f.key, err)
	}
	// Shown whatever authorities the server names, so that it says what is wrong with it.
	config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return pair, nil }
	return config, nil
}

func (f *ClientFiles) pair() (*tls.Certificate, error) {
	certificate, err := readPEM(f.certificate)
	if err != nil {
		return nil, err
	}
	key, err := readPEM(f.key)
	if err != nil {
		return nil, err
	}
	pair, err := tls.X509KeyPair([]byte(certificate), []byte(key))
	return &pair, err
}
