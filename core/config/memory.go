package config

// memoryBeside is what a broker has beside the buffers that have settings: frames, answers, maintenance, and the log's index.
const memoryBeside = 128 << 20

// MemoryLimitBytes is the memory near which garbage should be collected more often.
func (s *Serving) MemoryLimitBytes() int64 {
	if s.MemoryLimit > 0 {
		return int64(s.MemoryLimit)
	}
	return int64(s.IngestMemory+s.HotCache+s.ColdCache) + memoryBeside
}
