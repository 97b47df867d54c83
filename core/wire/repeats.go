package wire

// repeats finds names that a request gives more than once. Kafka refuses such a name, and answers it once.
type repeats map[string]int

func newRepeats(names []string) repeats {
	r := repeats{}
	for _, name := range names {
		r[name]++
	}
	return r
}

// take says whether a name is given once only; of one given more often, whether it is taken for the first time.
func (r repeats) take(name string) (once, first bool) {
	times := r[name]
	if times > 1 {
		r[name] = -1
	}
	return times == 1, times > 1
}
