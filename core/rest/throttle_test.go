package rest

import (
	"context"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/firnlog/firnlog/core/quota"
)

func TestThrottle_WhoIsOverItsQuotaIsToldWhenToComeAgain(t *testing.T) {
	var kinds []string
	a := newAPI(t, func(_ *Settings, b *Backend) {
		b.Throttled = func(kind string, _ time.Duration) { kinds = append(kinds, kind) }
	})
	limits := quota.New(quota.Settings{KV: a.instance.KV, Keys: a.world.Keys, Now: time.Now, Log: slog.New(slog.DiscardHandler)})
	a.server.backend.Quotas = limits
	a.topic("t", 1)
	ctx, cancel := context.WithCancel(t.Context())
	ran := make(chan struct{})
	go func() { defer close(ran); _ = limits.Run(ctx) }()
	defer func() { cancel(); <-ran }()
	<-limits.Loaded()
	body := `{"records":[{"value":"` + strings.Repeat("QUJD", 2000) + `"}]}`
	write := func() got { return a.call("POST", "/topics/t", "application/vnd.kafka.binary.v2+json", body) }
	read := func() got { return a.call("GET", "/topics/t/partitions/0/records?offset=0", "", "") }
	for range 3 {
		if r := write(); r.status != http.StatusOK {
			t.Fatalf("without a quota: %d %s", r.status, r.text)
		}
	}
	late := func(r got) {
		t.Helper()
		if after, err := strconv.Atoi(r.header.Get("Retry-After")); r.status != http.StatusTooManyRequests || err != nil || after < 1 || after > 600 {
			t.Errorf("%d, Retry-After %q: %s", r.status, r.header.Get("Retry-After"), r.text)
		}
	}
	for key, do := range map[string]func() got{quota.ProducerByteRate: write, quota.ConsumerByteRate: read} {
		if err := limits.Alter(t.Context(), quota.Entity{User: quota.Named("ANONYMOUS")}, []quota.Op{{Key: key, Value: 10}}, false); err != nil {
			t.Fatal(err)
		}
		if r := do(); r.status != http.StatusOK {
			t.Errorf("%s: the first one: %d %s", key, r.status, r.text)
		}
		late(do())
	}
	if len(kinds) != 2 {
		t.Errorf("told of %v", kinds)
	}
	stream, cancelStream := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancelStream()
	if a.server.patient(stream) == nil {
		t.Error("a stream goes on over its quota")
	}
}
