//go:build stack

package faults

import (
	"strings"

	"github.com/firnlog/firnlog/tests/stack/harness"
)

// fsck reads everything that the faults have left, past all links, while the brokers run.
func (s *stage) fsck() {
	s.t.Helper()
	var endpoints []string
	for _, m := range s.etcd {
		endpoints = append(endpoints, m.client)
	}
	harness.Fsck(s.t, s.minio.Environ(), "--store", "minio://"+s.minio.Endpoint+"/firnlog/faults?tls=false", "--etcd", strings.Join(endpoints, ","))
}
