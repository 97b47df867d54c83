//go:build !ablate

package rule

// On says whether the rule holds: always, in an ordinary build.
func On(Rule) bool { return true }
