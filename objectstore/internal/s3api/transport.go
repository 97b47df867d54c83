package s3api

import (
	"net"
	"net/http"
	"time"
)

// NewTransport makes connections for one store.
func NewTransport() *http.Transport {
	transport := &http.Transport{Proxy: http.ProxyFromEnvironment}
	Tune(transport)
	return transport
}

// Tune sets limits. Requests are bounded by their contexts; these are for what
// contexts do not see.
func Tune(transport *http.Transport) {
	dialer := &net.Dialer{Timeout: 5 * time.Second, KeepAlive: 15 * time.Second}
	transport.DialContext = dialer.DialContext
	transport.TLSHandshakeTimeout = 5 * time.Second
	// Uploads in flight and cold readers share it: a few hundred at most.
	transport.MaxIdleConns = 0
	transport.MaxIdleConnsPerHost = 256
	// Below the idle limit of the servers: a Put on a connection that was just
	// closed has an unknown outcome.
	transport.IdleConnTimeout = 15 * time.Second
	transport.ResponseHeaderTimeout = time.Minute
	transport.DisableCompression = true
	transport.ForceAttemptHTTP2 = false // one connection for all would be a queue
	transport.WriteBufferSize = 64 << 10
	transport.ReadBufferSize = 64 << 10
}
