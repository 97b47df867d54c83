package quota

// limits are all limits of one kind, so that a question costs some look-ups however many there are.
type limits struct {
	byEntity map[Entity]float64
	levels   [8]bool // whether any entity is of this level
}

// scope is who shares a bucket: sides that are absent are not told apart.
type scope struct{ user, client, ip Part }

// level gives the entity that a client has at a place of the order (package comment), and who shares its bucket.
func level(n int, user, client Part) (Entity, scope) {
	both := scope{user: user, client: client}
	switch n {
	case 0:
		return Entity{User: user, Client: client}, both
	case 1:
		return Entity{User: user, Client: Any()}, both
	case 2:
		return Entity{User: user}, scope{user: user}
	case 3:
		return Entity{User: Any(), Client: client}, both
	case 4:
		return Entity{User: Any(), Client: Any()}, both
	case 5:
		return Entity{User: Any()}, scope{user: user}
	case 6:
		return Entity{Client: client}, scope{client: client}
	}
	return Entity{Client: Any()}, scope{client: client}
}

// levelOf is the inverse of level.
func levelOf(e Entity) int {
	return [3][3]int{{-1, 7, 6}, {5, 4, 3}, {2, 1, 0}}[e.User.kind][e.Client.kind]
}

// newLimits sorts quotas by kind; nil where there are none of it.
func newLimits(all map[string]Quota) *[kinds]*limits {
	var out [kinds]*limits
	some := false
	for _, q := range all {
		for key, v := range q.Limits {
			kind, known := kindOf(key)
			if !known {
				continue
			}
			some = true
			if out[kind] == nil {
				out[kind] = &limits{byEntity: map[Entity]float64{}}
			}
			out[kind].byEntity[q.Entity] = v
			if n := levelOf(q.Entity); n >= 0 {
				out[kind].levels[n] = true
			}
		}
	}
	if !some {
		return nil
	}
	return &out
}

// of gives the limit that counts for a client. from is the entity that has it.
func (l *limits) of(user, client string) (rate float64, from Entity, who scope, ok bool) {
	u, c := Named(user), Named(client)
	for n, used := range l.levels {
		if !used {
			continue
		}
		from, who = level(n, u, c)
		if rate, ok = l.byEntity[from]; ok {
			return rate, from, who, true
		}
	}
	return 0, Entity{}, scope{}, false
}

// ofAddress is of for an address.
func (l *limits) ofAddress(ip string) (rate float64, from Entity, who scope, ok bool) {
	for _, p := range []Part{Named(ip), Any()} {
		from = Entity{IP: p}
		if rate, ok = l.byEntity[from]; ok {
			return rate, from, scope{ip: Named(ip)}, true
		}
	}
	return 0, Entity{}, scope{}, false
}
