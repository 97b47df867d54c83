package config

import "testing"

// TestMemoryLimit_FollowsTheBuffersUnlessItIsSaid: larger caches must not be collected for all the time.
func TestMemoryLimit_FollowsTheBuffersUnlessItIsSaid(t *testing.T) {
	s := Serving{IngestMemory: 128 << 20, HotCache: 128 << 20, ColdCache: 64 << 20}
	if got := s.MemoryLimitBytes(); got != 448<<20 {
		t.Errorf("%d by default, want 448 MiB", got>>20)
	}
	if s.HotCache = 1 << 30; s.MemoryLimitBytes() <= 1<<30 {
		t.Error("less than the cache alone")
	}
	if s.MemoryLimit = 5 << 20; s.MemoryLimitBytes() != 5<<20 {
		t.Error("not what was said")
	}
}
