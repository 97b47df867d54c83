package auth

import (
	"crypto/tls"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"
)

// ClientCertificates says what is asked of clients in a TLS handshake.
type ClientCertificates int

// What may be asked.
const (
	CertificatesIgnored ClientCertificates = iota
	CertificatesRequested
	CertificatesRequired
)

// CertificateFiles are PEM files.
type CertificateFiles struct {
	Certificate, Key string
	ClientCA         string // who signs clients' certificates; "" if none are asked for
}

// Certificates serves TLS from files, and takes what they hold anew when it has changed: each handshake looks, at most once a second.
// It looks at the bytes, not at dates and sizes: two certificates are easily of one size, and a date may be anything after a copy. Files
// that cannot be read, are cut short or do not fit together leave what was there in use; Trouble tells.
type Certificates struct {
	files   CertificateFiles
	clients ClientCertificates
	protos  []string
	now     func() time.Time
	log     *slog.Logger
	current atomic.Pointer[loadedCertificates]
	trouble atomic.Pointer[certificateTrouble] // nil: what the files hold is in use
	next    atomic.Int64                       // unix nano: when files are looked at again
}

type loadedCertificates struct {
	config *tls.Config
	pem    certificatePEM
}

type certificateTrouble struct{ err error }

// certificatePEM is what the files hold.
type certificatePEM struct{ certificate, key, clientCA string }

const certificatesLookEvery = time.Second

// NewCertificates reads the files once.
func NewCertificates(files CertificateFiles, clients ClientCertificates, protos []string, now func() time.Time, log *slog.Logger) (*Certificates, error) {
	c := &Certificates{files: files, clients: clients, protos: protos, now: now, log: log}
	held, err := c.read()
	if err != nil {
		return nil, err
	}
	loaded, err := c.load(held)
	if err != nil {
		return nil, err
	}
	c.current.Store(loaded)
	c.next.Store(now().Add(certificatesLookEvery).UnixNano())
	return c, nil
}

// Config is for a server.
func (c *Certificates) Config() *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS12, NextProtos: c.protos,
		GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) { return c.newest(), nil },
		// Asked for only by servers that look whether there is one.
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return &c.newest().Certificates[0], nil },
	}
}

// Own is the newest certificate, for connections to other instances.
func (c *Certificates) Own() *tls.Certificate { return &c.newest().Certificates[0] }

// NotAfter is when the newest certificate ends.
func (c *Certificates) NotAfter() time.Time { return c.Own().Leaf.NotAfter }

// Trouble says why what the files hold now is not in use, but what they held before; nil: it is in use.
func (c *Certificates) Trouble() error {
	c.newest()
	if t := c.trouble.Load(); t != nil {
		return t.err
	}
	return nil
}

func (c *Certificates) newest() *tls.Config {
	now, next := c.now(), c.next.Load()
	if now.UnixNano() >= next && c.next.CompareAndSwap(next, now.Add(certificatesLookEvery).UnixNano()) {
		c.reload()
	}
	return c.current.Load().config
}

func (c *Certificates) reload() {
	held, err := c.read()
	if err == nil && held == c.current.Load().pem {
		c.trouble.Store(nil)
		return
	}
	var loaded *loadedCertificates
	if err == nil {
		loaded, err = c.load(held)
	}
	if err != nil {
		if was := c.trouble.Swap(&certificateTrouble{err}); was == nil || was.err.Error() != err.Error() {
			c.log.Error("certificate files cannot be used; what was read before stays in use", "error", err)
		}
		return
	}
	c.current.Store(loaded)
	c.trouble.Store(nil)
	c.log.Info("certificates read anew", "certificate", c.files.Certificate, "until", loaded.config.Certificates[0].Leaf.NotAfter)
}

func (c *Certificates) read() (held certificatePEM, err error) {
	if held.certificate, err = readPEM(c.files.Certificate); err != nil {
		return held, fmt.Errorf("certificate: %w", err)
	}
	if held.key, err = readPEM(c.files.Key); err != nil {
		return held, fmt.Errorf("key: %w", err)
	}
	if c.clients == CertificatesIgnored {
		return held, nil
	}
	if held.clientCA, err = readPEM(c.files.ClientCA); err != nil {
		return held, fmt.Errorf("certificates of authorities: %w", err)
	}
	return held, nil
}

func (c *Certificates) load(held certificatePEM) (*loadedCertificates, error) {
	pair, err := tls.X509KeyPair([]byte(held.certificate), []byte(held.key))
	if err != nil {
		return nil, fmt.Errorf("certificate %s with key %s: %w", c.files.Certificate, c.files.Key, err)
	}
	config := &tls.Config{MinVersion: tls.VersionTLS12, NextProtos: c.protos, Certificates: []tls.Certificate{pair}}
	if c.clients == CertificatesIgnored {
		return &loadedCertificates{config, held}, nil
	}
	if config.ClientCAs, err = poolOf(held.clientCA); err != nil {
		return nil, fmt.Errorf("certificates of authorities %s: %w", c.files.ClientCA, err)
	}
	config.ClientAuth = tls.VerifyClientCertIfGiven
	if c.clients == CertificatesRequired {
		config.ClientAuth = tls.RequireAndVerifyClientCert
	}
	config.SessionTicketsDisabled = true // a resumed session would not be verified against the CAs of now
	return &loadedCertificates{config, held}, nil
}

// ClientTLS is for connections to a server whose certificate one of the authorities in ca signed ("": the system's). The own certificate
// ("": none) is read at each handshake.
func ClientTLS(ca, certificate, key string) (*tls.Config, error) {
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	var err error
	if ca != "" {
		if config.RootCAs, err = Pool(ca); err != nil {
			return nil, err
		}
	}
	if certificate == "" {
		return config, nil
	}
	read := func() (*tls.Certificate, error) {
		pair, err := tls.LoadX509KeyPair(certificate, key)
		if err != nil {
			return nil, fmt.Errorf("certificate %s with key %s: %w", certificate, key, err)
		}
		return &pair, nil
	}
	if _, err := read(); err != nil {
		return nil, err
	}
	config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return read() }
	return config, nil
}
