package sim

// Holds: an instance holds so many bytes of batches, and was given so many for them.
func (j *Judge) Holds(who string, held, most int64) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if held > most {
		j.bad("memory bounded", "", "%s holds %d bytes of batches, of %d", who, held, most)
	}
}

// Served: an instance did something after it had met a record of a version that it does not know.
func (j *Judge) Served(who, what string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.bad("served beyond its format", "", "%s %s", who, what)
}

// Blind: from now on the stream has records that the judge does not know either.
func (j *Judge) Blind() {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.blind = true
}
