//go:build stack

package faults

import (
	"strings"

	"github.com/firnlog/firnlog/tests/stack/harness"
)

// fsck reads everything that the faults have left, past all links, while the brokers run.
func (s *stage) fsck() {
	s.t.Helper()
	harness.Fsck(s.t, s.minio.Environ(), "--store", "minio://"+s.minio.Endpoint+"/firnlog/faults?tls=false", "--etcd", strings.Join(s.endpoints(), ","))
}
