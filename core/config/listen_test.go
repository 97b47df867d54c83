package config

import (
	"strings"
	"testing"
)

func serving(listen, http string) *Serving {
	s := &Serving{
		HTTP: http, Cluster: "c", Partitions: 1, SegmentBytes: 8 << 20, IngestMemory: 64 << 20, GroupSessionMin: 1, GroupSessionMax: 2, GroupConsumerHeartbeat: 1, GroupConsumerSession: 2,
		OffsetsRetention: 1, BackupKeep: 1, SettleBytes: 1 << 20, SettleJobs: 1, CompactKeys: 4 << 10, Uploads: 1,
	}
	if listen != "" {
		s.Listen = strings.Fields(listen)
	}
	s.TLSCert, s.TLSKey, s.TLSClientCA = "cert", "key", "ca"
	return s
}

func TestListeners_WhatWouldLetAnybodyInIsRefused(t *testing.T) {
	const loopback = "127.0.0.1:8082"
	for _, c := range []struct{ listen, http, says string }{
		{"", loopback, ""}, {"kafka://localhost:1", loopback, ""}, {"kafka://[::1]:1", loopback, ""},
		{"kafka://0.0.0.0:1", loopback, "--insecure-allow-anyone"}, {"kafka://:1", loopback, "--insecure-allow-anyone"}, {"kafka://example.test:1", loopback, "--insecure-allow-anyone"},
		{"kafka://0.0.0.0:1?auth=scram", loopback, ""}, {"kafka://0.0.0.0:1?auth=plain", loopback, "readable"}, {"kafka://0.0.0.0:1?auth=scram,plain", loopback, "readable"},
		{"kafka://0.0.0.0:1?auth=plain&tls=on", loopback, ""}, {"kafka://0.0.0.0:1?auth=plain&tls=terminated", loopback, ""},
		{"kafka://0.0.0.0:1?auth=none&tls=on", loopback, "--insecure-allow-anyone"}, {"kafka://0.0.0.0:1?auth=mtls", loopback, "tls=on"}, {"kafka://0.0.0.0:1?auth=mtls&tls=on", loopback, ""},
		{"kafka://0.0.0.0:1?auth=oauth&tls=on", loopback, "--oauth-jwks"}, {"kafka://0.0.0.0:1?auth=kerberos", loopback, "not known"}, {"kafka://0.0.0.0:1?wat=1", loopback, "known are"},
		{"kafka://0.0.0.0:1?auth=scram kafka://0.0.0.0:1?auth=scram", loopback, ""}, {"kafka://0.0.0.0:1?auth=scram&name=a kafka://0.0.0.0:2?auth=scram&name=a", loopback, "another one"},
		{"", "0.0.0.0:8082", "--http-auth"}, {"http://0.0.0.0:1", loopback, "kafka://"},
	} {
		err := serving(c.listen, c.http).Validate()
		if c.says == "" && err != nil || c.says != "" && (err == nil || !strings.Contains(err.Error(), c.says)) {
			t.Errorf("%q, HTTP %s: %v, want %q", c.listen, c.http, err, c.says)
		}
		open := serving(c.listen, c.http)
		open.InsecureAllowAnyone = true
		if err := open.Validate(); err != nil && strings.Contains(c.says, "--insecure") {
			t.Errorf("%q, HTTP %s, although anyone may: %v", c.listen, c.http, err)
		}
	}
}
