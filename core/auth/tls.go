package auth

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"os"
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

// Certificates serves TLS from files, and reads them anew when they change: each handshake looks, at most once a second. Files
// that cannot be read or do not fit together leave what was there in use.
type Certificates struct {
	files   CertificateFiles
	clients ClientCertificates
	protos  []string
	now     func() time.Time
	log     *slog.Logger
	current atomic.Pointer[loadedCertificates]
	next    atomic.Int64 // unix nano: when files are looked at again
}

type loadedCertificates struct {
	config *tls.Config
	stamp  string
}

const certificatesLookEvery = time.Second

// NewCertificates reads the files once.
func NewCertificates(files CertificateFiles, clients ClientCertificates, protos []string, now func() time.Time, log *slog.Logger) (*Certificates, error) {
	c := &Certificates{files: files, clients: clients, protos: protos, now: now, log: log}
	stamp, err := c.stamp()
	if err != nil {
		return nil, err
	}
	config, err := c.load()
	if err != nil {
		return nil, err
	}
	c.current.Store(&loadedCertificates{config, stamp})
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

func (c *Certificates) newest() *tls.Config {
	now, next := c.now(), c.next.Load()
	if now.UnixNano() >= next && c.next.CompareAndSwap(next, now.Add(certificatesLookEvery).UnixNano()) {
		c.reload()
	}
	return c.current.Load().config
}

func (c *Certificates) reload() {
	stamp, err := c.stamp()
	if err == nil && stamp == c.current.Load().stamp {
		return
	}
	config, err2 := c.load()
	if err = errors.Join(err, err2); err != nil {
		c.log.Error("certificate files cannot be used; what was read before stays in use", "error", err)
		return
	}
	c.current.Store(&loadedCertificates{config, stamp})
	c.log.Info("certificates read anew", "certificate", c.files.Certificate, "until", config.Certificates[0].Leaf.NotAfter)
}

// stamp changes when a file does.
func (c *Certificates) stamp() (out string, err error) {
	for _, name := range []string{c.files.Certificate, c.files.Key, c.files.ClientCA} {
		if name == "" {
			continue
		}
		info, err := os.Stat(name)
		if err != nil {
			return "", fmt.Errorf("certificate file: %w", err)
		}
		out += fmt.Sprintf("%d %d;", info.ModTime().UnixNano(), info.Size())
	}
	return out, nil
}

func (c *Certificates) load() (*tls.Config, error) {
	pair, err := tls.LoadX509KeyPair(c.files.Certificate, c.files.Key)
	if err != nil {
		return nil, fmt.Errorf("certificate %s with key %s: %w", c.files.Certificate, c.files.Key, err)
	}
	config := &tls.Config{MinVersion: tls.VersionTLS12, NextProtos: c.protos, Certificates: []tls.Certificate{pair}}
	if c.clients == CertificatesIgnored {
		return config, nil
	}
	if config.ClientCAs, err = Pool(c.files.ClientCA); err != nil {
		return nil, err
	}
	config.ClientAuth = tls.VerifyClientCertIfGiven
	if c.clients == CertificatesRequired {
		config.ClientAuth = tls.RequireAndVerifyClientCert
	}
	config.SessionTicketsDisabled = true // a resumed session would not be verified against the CAs of now
	return config, nil
}

// Pool reads certificates of authorities.
func Pool(file string) (*x509.CertPool, error) {
	pem, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("certificates of authorities: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("certificates of authorities: %s holds none in PEM", file)
	}
	return pool, nil
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
