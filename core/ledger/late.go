package ledger

import "github.com/firnlog/firnlog/coordination"

// applyLate gives topic events three revisions late, as a second watch might (only without rule TopicsInStream).
func (l *Ledger) applyLate(rev coordination.Revision, obs Observer) {
	for len(l.late) > 0 && l.late[0].Revision+3 <= rev {
		e := l.late[0]
		l.late = l.late[1:]
		// A malformed topic stops an unbroken ledger; this one is broken on purpose.
		_ = l.topic(l.keys.ParseLog(e.Key).Name, &e, obs)
	}
}
